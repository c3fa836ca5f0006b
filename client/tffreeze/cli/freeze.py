"""`tffreeze freeze`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import click

from tffreeze import embedded
from tffreeze.cli import stdout
from tffreeze.cli.flags import arguments, model_flags, names
from tffreeze.cli.progress import progress_bar
from tffreeze.cli.report_json import report_json
from tffreeze.cli.sections import KEEP, MODEL, OUTPUT, REQUIRED, SERVER, SectionedCommand, option
from tffreeze.cli.server_flags import ServerFlags, client, model_root_flag, server_flags
from tffreeze.cli.show import show_report, stdout_or_stderr
from tffreeze.cli.write import write_json
from tffreeze.engine import engine
from tffreeze.interrupts import RaisedSignals
from tffreeze.local_model import input_files
from tffreeze.options import FreezeArguments, freeze_options
from tffreeze.output import Target, check_output
from tffreeze.result import FreezeResult

if TYPE_CHECKING:
    from tffreeze.remote import Delivery


@click.command("freeze", cls=SectionedCommand, short_help="Freeze a model into one GraphDef or SavedModel.")
@option(REQUIRED, "-o", "--output", required=True, metavar="OUT", help="Where to write; - is stdout.")
@model_flags
@option(
    MODEL,
    "--moving-average",
    is_flag=True,
    help="Use VAR/ExponentialMovingAverage instead of VAR if the checkpoint has it.",
)
@option(KEEP, "--allow", type=names, multiple=True, metavar="V,W", help="Freeze only these variables.")
@option(KEEP, "--deny", type=names, multiple=True, metavar="V,W", help="Keep these variables as variables.")
@option(OUTPUT, "--clear-devices", is_flag=True, help="Remove device placements, also in function bodies.")
@option(OUTPUT, "--rename-io", is_flag=True, help="Name inputs and outputs after the signature's keys.")
@option(OUTPUT, "--text", "as_text", is_flag=True, help="Write text format instead of binary.")
@option(
    OUTPUT,
    "--saved-model",
    "as_saved_model",
    is_flag=True,
    help="Write a SavedModel without variables instead of a GraphDef.",
)
@option(OUTPUT, "--fsync", is_flag=True, help="Flush the file to disk, as a guard against a power cut.")
@option(OUTPUT, "--sha256", is_flag=True, help="Show the sha256 of the result in the summary.")
@option(OUTPUT, "--report", "report_file", metavar="F", help="Write the report as JSON; - is stdout.")
@option(OUTPUT, "-q", "--quiet", is_flag=True, help="Show no summary and no progress.")
@server_flags
@model_root_flag
@option(
    SERVER,
    "--delivery",
    type=click.Choice(["content", "splice"]),
    help="Upload the weights (content) or keep them here (splice). Default: splice if the model allows it.",
)
def command(model: str, output: str, report_file: str | None, quiet: bool, **flags: Any) -> None:  # noqa: ANN401 - as click calls it
    """Freeze MODEL: turn its variables into constants and keep what its outputs need.

    MODEL is a SavedModel directory, or a file with a MetaGraphDef or GraphDef, binary or text.
    tffreeze detects which. You can name a node (a) or its tensor (a:0).

    \b
    Examples:
      tffreeze freeze saved_model/ -o frozen.pb
      tffreeze freeze saved_model/ --signature predict --signature classify --rename-io -o frozen.pb
      tffreeze freeze model.meta --checkpoint model.ckpt-100 --output-nodes logits,probs -o frozen.pb
      tffreeze freeze graph.pb --checkpoint ckpts/ --output-nodes softmax --moving-average -o frozen.pb
      tffreeze freeze saved_model/ --saved-model -o frozen_model/ --report report.json
      tffreeze freeze saved_model/ -o - | gzip > frozen.pb.gz
      tffreeze freeze saved_model/ --server freeze.example:50051 --tls -o frozen.pb
    """  # noqa: D301 - click looks for the character that \b stands for
    output = _out(output, "-o", is_folder=bool(flags["as_saved_model"]))
    report_file = None if report_file is None else _out(report_file, "--report")
    if stdout.NAME == output == report_file:
        raise click.UsageError("-o - and --report - both write to stdout. Write one of them to a file.")
    server = ServerFlags.take(flags)
    how = _How(_target(output, flags), quiet, **{name: flags[name] for name in _HOW})
    if not server.server and (how.model_root is not None or how.delivery):
        raise click.UsageError("--model-root and --delivery need a server: name it with --server.")
    options = arguments(flags)
    if report_file is not None:
        inputs = input_files(model, options) if how.model_root is None else []
        _check_report(report_file, output, inputs, options)
    result = (
        _freeze_there(server, model, how, options) if server.server else _freeze_here(model, how, options)
    )
    if report_file:
        with RaisedSignals():
            write_json(report_json(result, model, flags, freeze_options(options)), report_file)
    if not quiet:
        is_taken = stdout.NAME in (output, report_file)
        shown = "stdout" if output == stdout.NAME else output
        show_report(result.report, shown, stdout_or_stderr(is_taken), result.sha256)


def _out(path: str, flag: str, *, is_folder: bool = False) -> str:
    """Take a path to write to as it is meant: `-` for every name of standard output."""
    if not path:
        raise click.UsageError(f"{flag} is empty: name a file, or - for stdout.")
    if path.endswith("/") and not is_folder:
        raise click.UsageError(
            f"{flag} {path} is the name of a folder: name a file. (--saved-model writes a folder.)"
        )
    return stdout.NAME if stdout.is_meant(path) else path


_HOW = ("fsync", "sha256", "model_root", "delivery")


@dataclass(frozen=True, slots=True)
class _How:
    """What is asked for besides the model and its options."""

    target: Target
    quiet: bool
    fsync: bool
    sha256: bool
    model_root: str | None
    delivery: Delivery | None


def _freeze_here(model: str, how: _How, options: FreezeArguments) -> FreezeResult:
    with progress_bar(how.quiet) as bar:
        engine().load()
        with RaisedSignals():
            return embedded.freeze(
                model,
                output=how.target,
                on_progress=bar.writing if bar else None,
                fsync=how.fsync,
                sha256=how.sha256,
                **options,
            )


def _freeze_there(server: ServerFlags, model: str, how: _How, options: FreezeArguments) -> FreezeResult:
    with progress_bar(how.quiet) as bar, client(server) as remote, RaisedSignals():
        return remote.freeze(
            model,
            output=how.target,
            model_root=how.model_root,
            delivery=how.delivery,
            on_upload=bar.sending if bar else None,
            on_progress=bar.writing if bar else None,
            fsync=how.fsync,
            sha256=how.sha256,
            **options,
        )


def _target(output: str, flags: dict[str, Any]) -> Target:
    if output != stdout.NAME:
        return Path(output)
    if flags["as_saved_model"]:
        raise click.UsageError(
            "A SavedModel is a directory and cannot be written to stdout. Give a path with -o."
        )
    if stdout.binary().isatty() and not flags["as_text"]:
        raise click.UsageError("-o - would write a binary GraphDef to this terminal. Pipe it, or add --text.")
    return cast(BinaryIO, stdout.Stdout())  # only written to


def _check_report(report_file: str, output: str, inputs: list[Path], options: FreezeArguments) -> None:
    """Refuse a report that is an input file or the output. It may be a file in the SavedModel's directory."""
    if report_file == stdout.NAME:
        stdout.binary()
        return
    report = Path(report_file)
    others = [] if output == stdout.NAME else [Path(output)]
    inside = Path(os.path.realpath(report)).parent == Path(os.path.realpath(output))
    if not (inside and options.get("as_saved_model")):
        check_output(report, inputs)
        check_output(report, others, role="where the frozen graph goes")
