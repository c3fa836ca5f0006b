"""`tffreeze health`."""

from __future__ import annotations

import sys
from typing import Any

import click

from tffreeze.cli.sections import SectionedCommand
from tffreeze.cli.server_flags import ServerFlags, server_flags
from tffreeze.cli.show import say

DEFAULT_SERVER = "localhost:50051"
DEFAULT_TIMEOUT_SECONDS = 5.0


@click.command("health", cls=SectionedCommand, short_help="Check whether a server accepts calls.")
@server_flags
def command(**flags: Any) -> None:  # noqa: ANN401 - as click calls it
    """Check whether servers accept calls. Exit code 0 if all do, 4 if one does not.

    For a container's HEALTHCHECK, and for scripts that wait for a server.

    \b
    Examples:
      tffreeze health
      tffreeze health --server freeze.example:50051 --tls-ca ca.pem --timeout 2
    """  # noqa: D301 - click looks for the character that \b stands for
    from tffreeze.connection import Connection  # noqa: PLC0415 - grpc is slow to import
    from tffreeze.health import check_health  # noqa: PLC0415 - grpc is slow to import

    values = ServerFlags.take(flags)
    servers = values.server or (DEFAULT_SERVER,)
    connection = Connection(servers, values.tls_files(), values.token(), insecure=values.insecure)
    timeout_seconds = DEFAULT_TIMEOUT_SECONDS if values.timeout is None else values.timeout
    try:
        for _ in servers:
            address = check_health(connection, timeout_seconds)
            say(f"{address}: serving", sys.stdout)
    finally:
        connection.close()
