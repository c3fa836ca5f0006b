"""Every setting of the server, stated once: its flag, how it is read, its default and what it means.

The name serves all three sources: `--drain-seconds`, `TFFREEZE_SERVE_DRAIN_SECONDS`, and `drain-seconds` in the
TOML file. Limits on calls stand in `rpc/limits.py`, in the same form. `docs/server.md` has the same rows; a test
compares them.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tffreeze_server.rpc.limits import CallSettings
from tffreeze_server.rpc.settings import (
    DAY_SECONDS,
    Parser,
    Setting,
    choice,
    number,
    path,
    roots,
    setting,
    switch,
    text,
    whole,
)

ENVIRONMENT_PREFIX = "TFFREEZE_SERVE_"
"""Not `TFFREEZE_SERVER_`: Kubernetes gives a service of that name `TFFREEZE_SERVER_PORT=tcp://...`."""

DEFAULT_PORT = 50051


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What an operator can say, besides limits on calls."""

    calls: CallSettings
    host: str = setting("127.0.0.1", "ADDRESS", text, "Address to listen on.", "Listening")
    port: int = setting(
        DEFAULT_PORT,
        "N",
        whole(0, 65_535),
        "Port to listen on; 0: any free port (see --port-file).",
        "Listening",
    )
    port_file: Path | None = setting(
        None,
        "PATH",
        path,
        "Write the port to this file once the server listens. The file appears whole; it is removed at exit.",
        "Listening",
    )
    unix_socket: Path | None = setting(
        None,
        "PATH",
        path,
        "Listen on this unix socket instead of an address and port. Whoever may open it may call.",
        "Listening",
    )
    insecure: bool = setting(
        False, "", switch, "Allow plaintext on an address other than loopback.", "Authentication"
    )
    tls_cert: Path | None = setting(
        None,
        "FILE",
        path,
        "Certificate chain of the server, PEM. Reloaded when it changes.",
        "Authentication",
    )
    tls_key: Path | None = setting(
        None,
        "FILE",
        path,
        "Private key of that certificate, PEM, not encrypted. Reloaded when it changes.",
        "Authentication",
    )
    tls_client_ca: Path | None = setting(
        None,
        "FILE",
        path,
        "CA certificates, PEM, that must have signed client certificates (mutual TLS). Reloaded when it changes.",
        "Authentication",
    )
    auth_tokens: Path | None = setting(
        None,
        "FILE",
        path,
        "Bearer tokens, hashed, and what each may call. Reloaded when it changes.",
        "Authentication",
    )
    drain_seconds: float = setting(
        30.0,
        "SECONDS",
        number(0, DAY_SECONDS),
        "How long calls may continue after SIGTERM or SIGINT. A second signal ends them at once.",
        "Shutdown",
    )
    die_with_parent: bool = setting(
        False, "", switch, "End at once when the process that started the server ends.", "Shutdown"
    )
    keepalive_seconds: float = setting(
        60.0, "SECONDS", number(1, DAY_SECONDS), "Ping a client that was silent for so long.", "Connections"
    )
    keepalive_timeout_seconds: float = setting(
        20.0,
        "SECONDS",
        number(1, 3600),
        "Close a connection when a ping is not answered for so long.",
        "Connections",
    )
    max_connection_idle_seconds: float = setting(
        900.0,
        "SECONDS",
        number(0, DAY_SECONDS),
        "Close a connection without calls after so long; 0: never.",
        "Connections",
    )
    max_connection_age_seconds: float = setting(
        3600.0,
        "SECONDS",
        number(0, DAY_SECONDS),
        "Ask clients to reconnect after so long, so that they spread over new servers; running calls finish. "
        "0: never.",
        "Connections",
    )
    max_connection_calls: int = setting(
        256,
        "N",
        whole(1, 1 << 20),
        "Calls of one connection at a time; further ones wait in the client.",
        "Connections",
    )
    reflection: bool = setting(
        True, "", switch, "Tell tools such as grpcurl and buf curl what can be called.", "Services"
    )
    channelz: bool = setting(
        False,
        "",
        switch,
        "Serve grpc.channelz.v1 for debugging; needs grpcio-channelz. It shows the addresses of callers.",
        "Services",
    )
    log_format: str = setting(
        "text", "text|json", choice("text", "json"), "Format of log lines.", "Observability"
    )
    log_level: str = setting(
        "info",
        "LEVEL",
        choice("debug", "info", "warning", "error"),
        "Lowest level that is logged: debug, info, warning or error.",
        "Observability",
    )
    metrics_host: str = setting("127.0.0.1", "ADDRESS", text, "Address of the metrics.", "Observability")
    metrics_port: int | None = setting(
        None,
        "N",
        whole(0, 65_535),
        "Serve Prometheus metrics by HTTP on this port; 0: any free port (see --metrics-port-file). "
        "Without it there are no metrics.",
        "Observability",
    )
    metrics_port_file: Path | None = setting(
        None, "PATH", path, "Write the port of the metrics to this file.", "Observability"
    )
    tracing: bool = setting(
        False,
        "",
        switch,
        "Make OpenTelemetry spans, configured by OTEL_* variables; needs the extra `tffreeze[tracing]`.",
        "Observability",
    )


@dataclass(frozen=True, slots=True)
class Flag:
    """A setting with its name and default. Attributes are those of `Setting`.

    Attributes:
        name: As on the command line, without the dashes.
        default: The typed value when nothing is said.
        field: The attribute of the settings.

    """

    name: str
    default: object
    field: str
    metavar: str
    parse: Parser
    help: str
    section: str

    @property
    def variable(self) -> str:
        """The environment variable."""
        return ENVIRONMENT_PREFIX + self.name.replace("-", "_").upper()


def default_spool_dir() -> Path:
    """A folder of this user's below the system's folder for temporary files."""
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError:
        # Nowhere to write at all: matters only to those who need it and name no other place.
        folder = "/tmp"  # noqa: S108 - a name for the message that says it cannot be written
    return Path(folder) / f"tffreeze-spool-{os.getuid()}"


def _flags_of(settings: type[ServerSettings | CallSettings]) -> list[Flag]:
    return [
        Flag(field.name.replace("_", "-"), field.default, field.name, *field.metadata["setting"])
        for field in dataclasses.fields(settings)
        if "setting" in field.metadata
    ]


_MODEL_ROOT = Setting(
    "NAME=DIR",
    roots,
    "Let callers name models below this folder, which are read in place; may be repeated.",
    "Calls",
)
_SPOOL_DIR = Setting(
    "DIR", path, "Folder for uploads, owned by the server's user; nothing else may use it.", "Calls"
)

FLAGS: tuple[Flag, ...] = (
    *_flags_of(ServerSettings),
    Flag("model-root", {}, "model_roots", *_MODEL_ROOT),
    Flag("spool-dir", default_spool_dir(), "spool_dir", *_SPOOL_DIR),
    *_flags_of(CallSettings),
)

BY_NAME = {flag.name: flag for flag in FLAGS}

RETIRED = {
    "workers": "The server is one process: start several servers behind a load balancer",
    "max-file-name-bytes": "A file name may have 1024 bytes",
    "max-chunk-bytes": "A client's chunk may have 2 MiB",
    "max-content-chunk-bytes": "The server sends chunks of 1 MiB",
    "retry-after-seconds": "A refused caller is told to wait for a second",
    "min-client-ping-seconds": "A client may ping every 10 seconds",
}
"""Settings of version 0.1 and what holds in their place. They are accepted with a warning until the next version."""
