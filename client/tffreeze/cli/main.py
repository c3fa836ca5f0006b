"""The program `tffreeze`: its commands, and their exit codes."""

from __future__ import annotations

import gc
import importlib
import io
import sys
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click

from tffreeze import __version__
from tffreeze.cli import exit_codes, stdout
from tffreeze.cli.show import show_error, show_unexpected, with_model
from tffreeze.errors import TffreezeError
from tffreeze.interrupts import end_at_once
from tffreeze.output import as_tffreeze_error
from tffreeze_files.layout import saved_model_above
from tffreeze_files.target import DISK_FULL, output_error

COMMANDS = {
    "freeze": "freeze",
    "inspect": "inspect",
    "freeze-graph": "freeze_graph",
    "serve": "serve",
    "health": "health",
    "completion": "completion",
}
"""The module of each command, imported when the command is called."""


class Commands(click.Group):
    """A group that imports a command when it is called, and turns errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        """The commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as click calls it
        """Import the command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"tffreeze.cli.{COMMANDS[cmd_name]}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; click alone would exit with 1 on a broken pipe."""
        try:
            result = super().invoke(ctx)
            stdout.flush()
        except BrokenPipeError:
            stdout.forget()
            raise SystemExit(exit_codes.BROKEN_PIPE) from None
        except TffreezeError as error:
            show_error(error, partial(_with_paths, ctx.obj or {}, error.reason))
            raise SystemExit(exit_codes.exit_code(error)) from None
        return result


def _with_paths(params: dict[str, Any], reason: str, text: str) -> str:
    """Put paths as they were typed into a next step. A model of a server needs more than its path."""
    if not params.get("model") or params.get("model_root"):
        return text
    above = saved_model_above(Path(params["model"])) if reason == "MODEL_NOT_FOUND" else None
    if above is not None:
        return with_model("give the SavedModel MODEL.", str(above))
    return with_model(text, params["model"])


def _epilog() -> str:
    codes = "\n".join(f"  {code:>3}  {meaning}" for code, meaning in exit_codes.MEANINGS.items())
    return f"""\b
Exit codes:
{codes}

\b
Environment:
  NO_COLOR=1        no colours
  TFFREEZE_DEBUG=1  show the traceback of an error
  TFFREEZE_TOKEN    the token for --server
"""


@click.command(
    cls=Commands,
    epilog=_epilog(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="tffreeze")
def cli() -> None:
    """Freeze TensorFlow models: graph and checkpoint in, one frozen GraphDef out.

    \b
    Examples:
      tffreeze freeze saved_model/ -o frozen.pb
      tffreeze freeze graph.pbtxt --checkpoint model.ckpt-100 --output-nodes softmax -o frozen.pb
      tffreeze inspect saved_model/
      tffreeze freeze saved_model/ --server freeze.example:50051 -o frozen.pb
    """  # noqa: D301 - click looks for the character that \b stands for


def main() -> NoReturn:
    """Run `tffreeze` and end the process."""
    end_at_once()
    _escape_what_streams_cannot_show()
    # The process is short, with many objects and few reference cycles: garbage collection would take a tenth of
    # its time, and half of it for a graph of a million nodes.
    gc.disable()
    try:
        cli(prog_name="tffreeze")
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:  # click writes its help itself
            stdout.forget()
            show_error(as_tffreeze_error(output_error("standard output", error)))
            sys.exit(exit_codes.FAULT)
        show_unexpected(error)
        sys.exit(exit_codes.FAULT)
    raise AssertionError("click ends the process")


def _escape_what_streams_cannot_show() -> None:
    """Escape characters that the terminal's encoding lacks: names in a model may be in any alphabet."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
