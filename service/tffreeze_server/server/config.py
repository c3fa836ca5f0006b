"""Configuration: flags override the environment, that overrides a TOML file; `validate` checks settings together.

A `Raw` value remembers where it came from, so that a message can name the flag and the place.
"""

from __future__ import annotations

import argparse
import ipaddress
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from tffreeze_server.errors import nearest
from tffreeze_server.rpc.limits import CallSettings
from tffreeze_server.server.flags import BY_NAME, ENVIRONMENT_PREFIX, FLAGS, RETIRED, Flag, ServerSettings

CONFIG_VARIABLE = ENVIRONMENT_PREFIX + "CONFIG"

MAX_CONFIG_BYTES = 1 << 20

_NAMES = (*BY_NAME, *RETIRED)

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


def read_raw(arguments: argparse.Namespace, environ: Mapping[str, str]) -> dict[str, Raw]:
    """Collect what was given, by flag name; the command line wins over the environment, that over the file.

    Raises:
        ConfigError: The file cannot be read, or a name in it or in the environment is unknown.

    """
    given = {key.replace("_", "-"): value for key, value in vars(arguments).items() if value is not None}
    file = given.pop("config", None) or environ.get(CONFIG_VARIABLE)
    result = _from_file(Path(file)) if file else {}
    result.update(_from_environment(environ))
    result.update({name: Raw(value, "") for name, value in given.items() if name in _NAMES})
    return result


def _from_file(file: Path) -> dict[str, Raw]:
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
    _check_known(values, f"--config {file}: there is no setting", BY_NAME)
    return {name: Raw(value, f"from {file}") for name, value in values.items()}


def _from_environment(environ: Mapping[str, str]) -> dict[str, Raw]:
    names = {ENVIRONMENT_PREFIX + name.replace("-", "_").upper(): name for name in _NAMES}
    given = {
        name: value
        for name, value in environ.items()
        if name.startswith(ENVIRONMENT_PREFIX) and name != CONFIG_VARIABLE
    }
    _check_known({names.get(name, name): 0 for name in given}, "environment: there is no setting", names)
    return {names[name]: Raw(value, f"from {name}") for name, value in given.items()}


def _check_known(given: Iterable[str], sentence: str, known: Iterable[str]) -> None:
    unknown = [name for name in given if name not in _NAMES]
    if unknown:
        raise ConfigError([f"{sentence} {name!r}. {nearest(name, known)}" for name in unknown])


def retired(raw: Mapping[str, Raw]) -> list[str]:
    """Warn of settings that were given and no longer exist: a sentence for each."""
    return [
        f"--{name}{_origin(raw[name])}: is no longer a setting, and will be an error in the next version. {instead}."
        for name, instead in RETIRED.items()
        if name in raw
    ]


def parse_settings(raw: Mapping[str, Raw]) -> ServerSettings:
    """Read values and check what they mean together.

    Raises:
        ConfigError: With everything that is wrong.

    """
    problems: list[str] = []
    parsed = {flag.field: _parse(flag, raw.get(flag.name), problems) for flag in FLAGS}
    calls = CallSettings(**{field.name: parsed.pop(field.name) for field in fields(CallSettings)})
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
        problems.append(f"--{flag.name} {_shown(raw.value)}{_origin(raw)}: is not {error}.")
        return flag.default


def _origin(raw: Raw) -> str:
    return f" ({raw.origin})" if raw.origin else ""


def _shown(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return repr(value) if value in ("", None) else str(value)[:200]


def validate(settings: ServerSettings) -> list[str]:
    """Check settings against each other and against the files and folders they name.

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
            hint = " Several roots stand on lines of their own." if ":" in str(folder) else ""
            yield f"--model-root {name}={folder}: is not a folder.{hint}"
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
