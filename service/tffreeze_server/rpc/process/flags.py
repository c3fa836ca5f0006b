"""Every setting of the server in one table: its flag, how it is read, its default and what it means.

The name serves all three sources: `--drain-seconds`, `TFFREEZE_SERVE_DRAIN_SECONDS`, and `drain-seconds` in the
TOML file. `docs/server.md` has the same rows; a test compares them.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tffreeze_server.rpc.limits import CallSettings
from tffreeze_server.rpc.process import values

ENVIRONMENT_PREFIX = "TFFREEZE_SERVE_"
"""Not `TFFREEZE_SERVER_`: Kubernetes gives a service of that name `TFFREEZE_SERVER_PORT=tcp://...`."""

DEFAULT_PORT = 50051

_GIB = 1 << 30
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Flag:
    """One setting.

    Attributes:
        name: As on the command line, without the dashes.
        metavar: What stands for its value in help; empty for a switch.
        parse: From text or TOML to the typed value.
        default: The typed value when nothing is said.
        help: One sentence or two.
        section: The heading it stands under.
        repeated: Whether the flag may be given several times.

    """

    name: str
    metavar: str
    parse: values.Parser
    default: object
    help: str
    section: str
    repeated: bool = False

    @property
    def field(self) -> str:
        """The attribute of the settings."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return ENVIRONMENT_PREFIX + self.field.upper()


def default_spool_dir() -> Path:
    """A folder of this user's below the system's folder for temporary files."""
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError:
        # Nowhere to write at all: a matter of those who need it and name no other place.
        folder = "/tmp"  # noqa: S108 - a name for the message that says it cannot be written
    return Path(folder) / f"tffreeze-spool-{os.getuid()}"


_LIMIT_DEFAULTS = {
    field.name: field.default
    for field in dataclasses.fields(CallSettings)
    if field.default is not dataclasses.MISSING
}


def _limit(name: str, metavar: str, parse: values.Parser, text: str) -> Flag:
    """A limit on calls; its default stands in `CallSettings`."""
    return Flag(name, metavar, parse, _LIMIT_DEFAULTS[name.replace("-", "_")], text, "Calls")


FLAGS: tuple[Flag, ...] = (
    Flag("host", "ADDRESS", values.text, "127.0.0.1", "Address to listen on.", "Listening"),
    Flag(
        "port",
        "N",
        values.whole(0, 65_535),
        DEFAULT_PORT,
        "Port to listen on; 0: any that is free (see --port-file).",
        "Listening",
    ),
    Flag(
        "port-file",
        "PATH",
        values.path,
        None,
        "Write the port to this file once the server listens: it appears whole, and is gone when the server is.",
        "Listening",
    ),
    Flag(
        "unix-socket",
        "PATH",
        values.path,
        None,
        "Listen on this unix socket instead of an address and port. Whoever may open it may call.",
        "Listening",
    ),
    Flag(
        "workers",
        "N",
        values.whole(1, 256),
        1,
        "Processes that share the port. One that dies is replaced. Limits on calls hold for each of them.",
        "Listening",
    ),
    Flag(
        "insecure",
        "",
        values.switch,
        False,
        "Allow plaintext on an address other than loopback.",
        "Who may call",
    ),
    Flag(
        "tls-cert",
        "FILE",
        values.path,
        None,
        "Certificate chain of the server, PEM. Read anew when it changes.",
        "Who may call",
    ),
    Flag(
        "tls-key",
        "FILE",
        values.path,
        None,
        "Private key of that certificate, PEM, not encrypted. Read anew when it changes.",
        "Who may call",
    ),
    Flag(
        "tls-client-ca",
        "FILE",
        values.path,
        None,
        "Certificates, PEM, that must have signed the certificates of clients (mutual TLS). Read anew when it changes.",
        "Who may call",
    ),
    Flag(
        "auth-tokens",
        "FILE",
        values.path,
        None,
        "Bearer tokens, hashed, and what each may call. Read anew when it changes.",
        "Who may call",
    ),
    Flag(
        "drain-seconds",
        "SECONDS",
        values.number(0, _DAY),
        30.0,
        "How long calls may go on after SIGTERM or SIGINT; a second signal ends them at once.",
        "Ending",
    ),
    Flag(
        "die-with-parent",
        "",
        values.switch,
        False,
        "End at once when the process that started the server ends.",
        "Ending",
    ),
    Flag(
        "keepalive-seconds",
        "SECONDS",
        values.number(1, _DAY),
        60.0,
        "Ping a client that was silent for so long.",
        "Connections",
    ),
    Flag(
        "keepalive-timeout-seconds",
        "SECONDS",
        values.number(1, 3600),
        20.0,
        "Take a connection for dead when a ping is not answered for so long.",
        "Connections",
    ),
    Flag(
        "min-client-ping-seconds",
        "SECONDS",
        values.number(1, _DAY),
        10.0,
        "Close a connection whose client pings more often than this.",
        "Connections",
    ),
    Flag(
        "max-connection-idle-seconds",
        "SECONDS",
        values.number(0, _DAY),
        900.0,
        "Close a connection without calls after so long; 0: never.",
        "Connections",
    ),
    Flag(
        "max-connection-age-seconds",
        "SECONDS",
        values.number(0, _DAY),
        3600.0,
        "Ask clients to connect anew after so long, so that they spread over new servers; their calls go on. "
        "0: never.",
        "Connections",
    ),
    Flag(
        "max-connection-calls",
        "N",
        values.whole(1, 1 << 20),
        256,
        "Calls of one connection at a time; further ones wait in the client.",
        "Connections",
    ),
    Flag(
        "reflection",
        "",
        values.switch,
        True,
        "Tell tools such as grpcurl and buf curl what can be called.",
        "Services",
    ),
    Flag(
        "channelz",
        "",
        values.switch,
        False,
        "Serve grpc.channelz.v1 for debugging; needs grpcio-channelz. It shows addresses of callers.",
        "Services",
    ),
    Flag(
        "log-format", "text|json", values.choice("text", "json"), "text", "Form of a log line.", "Observing"
    ),
    Flag(
        "log-level",
        "LEVEL",
        values.choice("debug", "info", "warning", "error"),
        "info",
        "Least level that is logged: debug, info, warning or error.",
        "Observing",
    ),
    Flag("metrics-host", "ADDRESS", values.text, "127.0.0.1", "Address of the metrics.", "Observing"),
    Flag(
        "metrics-port",
        "N",
        values.whole(0, 65_535),
        None,
        "Serve Prometheus metrics by HTTP on this port; 0: any that is free (see --metrics-port-file). "
        "Without it there are none.",
        "Observing",
    ),
    Flag(
        "metrics-port-file",
        "PATH",
        values.path,
        None,
        "Write the port of the metrics to this file.",
        "Observing",
    ),
    Flag(
        "tracing",
        "",
        values.switch,
        False,
        "Make OpenTelemetry spans, configured by OTEL_* variables; needs the extra `tffreeze[tracing]`.",
        "Observing",
    ),
    Flag(
        "model-root",
        "NAME=DIR",
        values.roots,
        {},
        "Let callers name models below this folder, read in place; may be repeated.",
        "Calls",
        repeated=True,
    ),
    Flag(
        "spool-dir",
        "DIR",
        values.path,
        default_spool_dir(),
        "Folder for uploads, owned by the server's user; nothing else may use it.",
        "Calls",
    ),
    _limit(
        "max-upload-bytes",
        "BYTES",
        values.size(0, 1 << 50),
        "Bytes of one upload; 0: no limit but the spool's.",
    ),
    _limit("max-upload-files", "N", values.whole(1, 1_000_000), "Files of one upload."),
    _limit("max-file-name-bytes", "N", values.whole(1, 4096), "Bytes of a file name."),
    _limit("max-chunk-bytes", "BYTES", values.size(1, 2 << 20), "Bytes of a chunk that a client sends."),
    _limit(
        "max-content-chunk-bytes", "BYTES", values.size(1, 1 << 20), "Bytes of a chunk that the server sends."
    ),
    _limit("max-result-bytes", "BYTES", values.size(1, 2 * _GIB - 1), "Bytes of one result."),
    _limit(
        "max-jobs",
        "N",
        values.whole(1, 100_000),
        "Calls that are worked on at a time. One caller has at most all but one of them.",
    ),
    _limit(
        "max-queued-jobs",
        "N",
        values.whole(0, 100_000),
        "Further calls, which upload or wait for their turn; more are refused. One caller never has all places.",
    ),
    _limit(
        "max-jobs-per-caller",
        "N",
        values.whole(0, 100_000),
        "Calls of one caller at a time, waiting ones counted; 0: no limit.",
    ),
    _limit(
        "max-uploads",
        "N",
        values.whole(1, 100_000),
        "Uploads that are received at a time. One caller has at most all but one of them.",
    ),
    _limit("planning-processes", "N", values.whole(1, 64), "Processes that make plans."),
    _limit(
        "max-planner-memory-bytes",
        "BYTES",
        values.size(0, 1 << 40),
        "Address space of each of them, its program (about 150 MiB) included; 0: no limit.",
    ),
    _limit(
        "max-planning-cpu-seconds",
        "SECONDS",
        values.whole(0, _DAY),
        "CPU time of one plan; 0: no limit.",
    ),
    _limit(
        "max-planning-seconds",
        "SECONDS",
        values.number(0, _DAY),
        "How long one plan may take; 0: no limit.",
    ),
    _limit(
        "max-spool-bytes",
        "BYTES",
        values.size(0, 1 << 50),
        "Bytes of all uploads at a time; 0: no limit but the disk's.",
    ),
    _limit(
        "max-spool-bytes-per-caller",
        "BYTES",
        values.size(0, 1 << 50),
        "Bytes of all uploads of one caller at a time; 0: no limit of its own.",
    ),
    _limit(
        "max-call-seconds",
        "SECONDS",
        values.number(0, 7 * _DAY),
        "How long one call may take in all; 0: no limit.",
    ),
    _limit(
        "max-idle-seconds",
        "SECONDS",
        values.number(1, _DAY),
        "How long a client may neither send nor read while it is its turn.",
    ),
    _limit(
        "min-bytes-per-second",
        "BYTES",
        values.size(0, 1 << 30),
        "How fast a client must send and read; it may lag behind by --max-idle-seconds. 0: no limit.",
    ),
    _limit(
        "retry-after-seconds", "SECONDS", values.number(0, 3600), "What a refused caller is told to wait."
    ),
)

BY_NAME = {flag.name: flag for flag in FLAGS}
