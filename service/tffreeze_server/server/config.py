"""Configuration: flags over environment over a TOML file over defaults; one `validate` for what they mean together.

A `Raw` value remembers where it came from, so that a message can name the flag and the place. Raw values
are plain data: the supervisor sends them to its workers.
"""

from __future__ import annotations

import argparse
import ipaddress
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from tffreeze_server.errors import nearest
from tffreeze_server.rpc.limits import CallSettings
from tffreeze_server.server.flags import BY_NAME, ENVIRONMENT_PREFIX, FLAGS, Flag

CONFIG_VARIABLE = ENVIRONMENT_PREFIX + "CONFIG"

MAX_CONFIG_BYTES = 1 << 20

MIN_PLANNER_MEMORY_BYTES = 256 << 20
"""The program of a planner takes 150 MiB of address space."""


class ConfigError(Exception):
    """The configuration is wrong.

    Attributes:
        problems: Whole sentences, each naming its flag.

    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Raw(NamedTuple):
    """A value as it was given, and where: `` for the command line, else `from ...`."""

    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """All settings, typed; the field of each flag and `calls`. See `flags.py` for what they mean."""

    host: str
    port: int
    port_file: Path | None
    unix_socket: Path | None
    workers: int
    insecure: bool
    tls_cert: Path | None
    tls_key: Path | None
    tls_client_ca: Path | None
    auth_tokens: Path | None
    drain_seconds: float
    die_with_parent: bool
    keepalive_seconds: float
    keepalive_timeout_seconds: float
    min_client_ping_seconds: float
    max_connection_idle_seconds: float
    max_connection_age_seconds: float
    max_connection_calls: int
    reflection: bool
    channelz: bool
    log_format: str
    log_level: str
    metrics_host: str
    metrics_port: int | None
    metrics_port_file: Path | None
    tracing: bool
    calls: CallSettings


def read_raw(arguments: argparse.Namespace, environ: Mapping[str, str]) -> dict[str, Raw]:
    """Collect what was given, by flag name; the command line wins over the environment, that over the file.

    Raises:
        ConfigError: The file cannot be read, or a name in it or in the environment is unknown.

    """
    given = {key.replace("_", "-"): value for key, value in vars(arguments).items() if value is not None}
    file = given.pop("config", None) or environ.get(CONFIG_VARIABLE)
    result = dict(_from_file(Path(file))) if file else {}
    result.update(_from_environment(environ))
    result.update({name: Raw(value, "") for name, value in given.items() if name in BY_NAME})
    return result


def _from_file(file: Path) -> Iterator[tuple[str, Raw]]:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_CONFIG_BYTES + 1)
        if len(content) > MAX_CONFIG_BYTES:
            raise ConfigError([f"--config {file}: is larger than {MAX_CONFIG_BYTES} bytes."])
        values = tomllib.loads(content.decode())
    except OSError as error:
        raise ConfigError([f"--config {file}: cannot be read: {error.strerror}."]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"--config {file}: is not TOML: {error}."]) from None
    unknown = [name for name in values if name not in BY_NAME]
    if unknown:
        raise ConfigError(
            [f"--config {file}: there is no setting {name!r}. {nearest(name, BY_NAME)}" for name in unknown]
        )
    for name, value in values.items():
        yield name, Raw(value, f"from {file}")


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, Raw]]:
    variables = {flag.variable: flag for flag in FLAGS}
    for name, value in environ.items():
        if not name.startswith(ENVIRONMENT_PREFIX) or name == CONFIG_VARIABLE:
            continue
        if name not in variables:
            raise ConfigError([f"There is no setting {name} (environment). {nearest(name, variables)}"])
        yield variables[name].name, Raw(value, f"from {name}")


def parse_settings(raw: Mapping[str, Raw]) -> ServerSettings:
    """Make typed settings and hold them against each other.

    Raises:
        ConfigError: With every problem there is.

    """
    problems: list[str] = []
    parsed = {flag.field: _parse(flag, raw.get(flag.name), problems) for flag in FLAGS}
    if problems:
        raise ConfigError(problems)
    roots = parsed.pop("model_root")
    names = {field.name for field in fields(CallSettings)} - {"model_roots"}
    calls = CallSettings(model_roots=roots, **{name: parsed.pop(name) for name in names})
    settings = ServerSettings(calls=calls, **parsed)
    problems.extend(validate(settings))
    if problems:
        raise ConfigError(problems)
    return settings


def _parse(flag: Flag, raw: Raw | None, problems: list[str]) -> Any:  # noqa: ANN401 - each flag its own type
    if raw is None:
        return flag.default
    try:
        return flag.parse(raw.value)
    except ValueError as error:
        origin = f" ({raw.origin})" if raw.origin else ""
        problems.append(f"--{flag.name} {_shown(raw.value)}{origin}: is not {error}.")
        return flag.default


def _shown(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return repr(value) if value in ("", None) else str(value)[:200]


def validate(settings: ServerSettings) -> list[str]:
    """Hold settings against each other and against the files and folders they name.

    Returns:
        Whole sentences, each naming its flag; none if all is well.

    """
    return [*_listening(settings), *_who_may_call(settings), *_observing(settings), *_calls(settings)]


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only. Names other than `localhost` are not trusted."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _listening(settings: ServerSettings) -> Iterator[str]:
    for flag, file in (("port-file", settings.port_file), ("metrics-port-file", settings.metrics_port_file)):
        if file is not None and not file.parent.is_dir():
            yield f"--{flag} {file}: its folder is not there."
    if settings.unix_socket is not None:
        if settings.workers > 1:
            yield "--workers: several processes cannot share a --unix-socket. Use one worker, or a port."
        if settings.port_file is not None:
            yield "--port-file: there is no port with --unix-socket."
        if settings.tls_cert is not None:
            yield "--tls-cert: a --unix-socket is not encrypted. Use one or the other."
        return
    if settings.tls_cert is None and not settings.insecure and not is_loopback(settings.host):
        yield (
            f"--host {settings.host}: would be plaintext that other machines can reach. "
            "Give --tls-cert and --tls-key; or --insecure, if the network is private."
        )


def _who_may_call(settings: ServerSettings) -> Iterator[str]:
    # Loaded here: both are wanted only where they are configured.
    if (settings.tls_cert is None) != (settings.tls_key is None):
        here, there = ("tls-cert", "tls-key") if settings.tls_cert else ("tls-key", "tls-cert")
        yield f"--{here}: needs --{there} too."
    elif settings.tls_cert is not None and settings.tls_key is not None:
        from tffreeze_server.server.certificates import load_certificates  # noqa: PLC0415 - see above

        yield from _problem_of(load_certificates, settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    elif settings.tls_client_ca is not None:
        yield "--tls-client-ca: needs --tls-cert and --tls-key too."
    if settings.auth_tokens is not None:
        from tffreeze_server.server.tokens import load_tokens  # noqa: PLC0415 - see above

        yield from _problem_of(load_tokens, settings.auth_tokens)


def _problem_of(load: Any, *files: Path | None) -> Iterator[str]:  # noqa: ANN401 - any function of files
    try:
        load(*files)
    except (OSError, ValueError) as error:
        yield str(error)


def _observing(settings: ServerSettings) -> Iterator[str]:
    if settings.metrics_port_file is not None and settings.metrics_port is None:
        yield "--metrics-port-file: needs --metrics-port too."
    if settings.metrics_port and settings.metrics_port == settings.port and settings.unix_socket is None:
        yield f"--metrics-port {settings.metrics_port}: is the --port of the server."


def _calls(settings: ServerSettings) -> Iterator[str]:
    for name, folder in settings.calls.model_roots.items():
        if not folder.is_dir():
            yield f"--model-root {name}={folder}: is not a folder."
        elif settings.calls.spool_dir.resolve().is_relative_to(folder.resolve()):
            yield f"--spool-dir {settings.calls.spool_dir}: lies below --model-root {name}={folder}."
    if settings.calls.spool_dir.exists() and not settings.calls.spool_dir.is_dir():
        yield f"--spool-dir {settings.calls.spool_dir}: is not a folder."
    if 0 < settings.calls.max_planner_memory_bytes < MIN_PLANNER_MEMORY_BYTES:
        yield (
            f"--max-planner-memory-bytes {settings.calls.max_planner_memory_bytes}: is too little to work with. "
            f"Give at least {MIN_PLANNER_MEMORY_BYTES}, or 0 for no limit."
        )
    for flag, max_bytes in (
        ("--max-spool-bytes", settings.calls.max_spool_bytes),
        ("--max-spool-bytes-per-caller", settings.calls.max_spool_bytes_per_caller),
    ):
        if 0 < max_bytes < settings.calls.max_upload_bytes:
            yield f"--max-upload-bytes {settings.calls.max_upload_bytes}: is more than {flag} {max_bytes}."


def listening_address(settings: ServerSettings) -> str:
    """Give the address as gRPC wants it."""
    if settings.unix_socket is not None:
        return f"unix:{settings.unix_socket}"
    host = settings.host.strip("[]")
    return f"[{host}]:{settings.port}" if ":" in host else f"{host}:{settings.port}"
