"""The flags of commands that may call a server, and the client they ask for."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tffreeze.cli.flags import FILE
from tffreeze.cli.sections import SERVER, option, with_options
from tffreeze.errors import error_for

if TYPE_CHECKING:
    from tffreeze.client import Client
    from tffreeze.connection import Tls

TOKEN_VARIABLE = "TFFREEZE_TOKEN"  # noqa: S105 - a name, no secret

MAX_FILE_BYTES = 8 << 20
"""Of a token or of certificates: all that a system trusts are a quarter of a megabyte."""

_Command = TypeVar("_Command", bound=Callable[..., Any])

_NAMES = ("server", "token_file", "tls", "tls_ca", "tls_cert", "tls_key", "insecure", "timeout")


def server_flags(command: _Command) -> _Command:
    """Add the flags that say which server to call, and how."""
    return with_options(
        command,
        option(
            SERVER,
            "--server",
            multiple=True,
            metavar="ADDR",
            help="Server to use, such as localhost:50051; may be repeated: calls rotate.",
        ),
        option(
            SERVER,
            "--token-file",
            type=FILE,
            metavar="F",
            help=f"File with the token. Default: ${TOKEN_VARIABLE}.",
        ),
        option(SERVER, "--tls", is_flag=True, help="Use TLS; implied by the next three."),
        option(SERVER, "--tls-ca", type=FILE, metavar="F", help="CA certificates to trust, PEM."),
        option(
            SERVER, "--tls-cert", type=FILE, metavar="F", help="Your client certificate, PEM (mutual TLS)."
        ),
        option(SERVER, "--tls-key", type=FILE, metavar="F", help="Its private key, PEM."),
        option(
            SERVER,
            "--insecure",
            is_flag=True,
            help="Allow sending the token to another machine in plaintext.",
        ),
        option(
            SERVER,
            "--timeout",
            type=float,
            metavar="SECONDS",
            help="Time limit for the call and its retries.",
        ),
    )


def model_root_flag(command: _Command) -> _Command:
    """Add the flag that names a model root of the server."""
    text = "MODEL is a path below this model root of the server."
    return with_options(command, option(SERVER, "--model-root", metavar="NAME", help=text))


@dataclass(frozen=True, slots=True)
class ServerFlags:
    """The values of `server_flags`."""

    server: tuple[str, ...]
    token_file: str | None
    tls: bool
    tls_ca: str | None
    tls_cert: str | None
    tls_key: str | None
    insecure: bool
    timeout: float | None

    @classmethod
    def take(cls, flags: dict[str, Any]) -> ServerFlags:
        """Remove these flags from all flags, and return them."""
        return cls(**{name: flags.pop(name) for name in _NAMES})

    def token(self) -> str | None:
        """Read the token from its file or the environment."""
        if self.token_file:
            return _read(self.token_file).decode("ascii", "replace").strip()
        return os.environ.get(TOKEN_VARIABLE) or None

    def tls_files(self) -> Tls | None:
        """Read the TLS files; None for plaintext."""
        from tffreeze.connection import Tls  # noqa: PLC0415 - grpc is slow to import

        if not (self.tls or self.tls_ca or self.tls_cert or self.tls_key):
            return None
        files = (self.tls_ca, self.tls_cert, self.tls_key)
        return Tls(*(_read(file) if file else None for file in files))


def client(flags: ServerFlags) -> Client:
    """Make a client of the named servers."""
    from tffreeze.client import Client  # noqa: PLC0415 - grpc is slow to import

    return Client(
        *flags.server,
        tls=flags.tls_files(),
        token=flags.token(),
        insecure=flags.insecure,
        timeout_seconds=flags.timeout,
    )


def _read(file: str) -> bytes:
    """All of a small file, or of a pipe, such as `<(command)` is; a device may have no end."""
    try:
        with Path(file).open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise error_for(
            "INVALID_OPTION", f"The file {file!r} cannot be read: {error.strerror}.", file
        ) from None
    if len(data) > MAX_FILE_BYTES:
        raise error_for(
            "INVALID_OPTION", f"The file {file!r} is longer than any token or certificates.", file
        )
    return data
