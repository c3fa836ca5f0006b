"""The flags of commands that may call a server, and the choice between server and engine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tffreeze import embedded
from tffreeze.cli.flags import FILE
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
    for decorator in reversed(
        [
            click.option(
                "--server",
                multiple=True,
                metavar="ADDR",
                help="Server to use, such as localhost:50051; may be repeated: calls rotate.",
            ),
            click.option(
                "--token-file",
                type=FILE,
                metavar="F",
                help=f"File with the token. Default: ${TOKEN_VARIABLE}.",
            ),
            click.option("--tls", is_flag=True, help="Use TLS; implied by the next three."),
            click.option("--tls-ca", type=FILE, metavar="F", help="CA certificates to trust, PEM."),
            click.option(
                "--tls-cert", type=FILE, metavar="F", help="Your client certificate, PEM (mutual TLS)."
            ),
            click.option("--tls-key", type=FILE, metavar="F", help="Its private key, PEM."),
            click.option(
                "--insecure", is_flag=True, help="Allow sending the token to another machine in plaintext."
            ),
            click.option(
                "--timeout", type=float, metavar="SECONDS", help="Time limit for the call and its retries."
            ),
        ]
    ):
        command = decorator(command)
    return command


def remote_flags(command: _Command) -> _Command:
    """Add the flags that only a server understands."""
    for decorator in reversed(
        [
            click.option(
                "--model-root", metavar="NAME", help="MODEL is a path below this model root of the server."
            ),
            click.option(
                "--delivery",
                type=click.Choice(["content", "splice"]),
                help="Upload the weights (content) or keep them here (splice). Default: splice if the model allows it.",
            ),
        ]
    ):
        command = decorator(command)
    return command


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


@contextlib.contextmanager
def worker(flags: ServerFlags) -> Iterator[Any]:
    """Return what freezes and inspects: the engine in this process, or a client of the named servers."""
    if not flags.server:
        embedded.load_engine()
        yield embedded
        return
    with client(flags) as remote:
        yield remote


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
