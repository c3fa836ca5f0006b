"""`tffreeze serve`: the same program as `tffreeze-server`."""

from __future__ import annotations

import gc
import sys

import click

from tffreeze.engine import engine


@click.command(
    "serve",
    short_help="Run a server, like tffreeze-server.",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Run a server. See its own --help."""
    gc.enable()  # a server lives long: see `main`
    sys.exit(engine().serve(arguments))
