"""`tffreeze freeze`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from tffreeze.cli import stdout
from tffreeze.cli.flags import arguments, model_flags, names
from tffreeze.cli.progress import progress_bar
from tffreeze.cli.server_flags import ServerFlags, remote_flags, server_flags, worker
from tffreeze.cli.show import show_report, stdout_or_stderr
from tffreeze.cli.write import write_json
from tffreeze.interrupts import RaisedSignals
from tffreeze.local_model import input_files
from tffreeze.options import FreezeArguments
from tffreeze.output import check_output
from tffreeze.result import FreezeResult


@click.command("freeze", short_help="Freeze a model into one GraphDef or SavedModel.")
@model_flags
@click.option("--clear-devices", is_flag=True, help="Remove device placements, also in function bodies.")
@click.option("--allow", type=names, multiple=True, metavar="V,W", help="Freeze only these variables.")
@click.option("--deny", type=names, multiple=True, metavar="V,W", help="Keep these variables as variables.")
@click.option(
    "--moving-average",
    is_flag=True,
    help="Use VAR/ExponentialMovingAverage instead of VAR if the checkpoint has it.",
)
@click.option("--rename-io", is_flag=True, help="Name inputs and outputs after the signature's keys.")
@click.option("--text", "as_text", is_flag=True, help="Write text format instead of binary.")
@click.option(
    "--saved-model",
    "as_saved_model",
    is_flag=True,
    help="Write a SavedModel without variables instead of a GraphDef.",
)
@click.option("--fsync", is_flag=True, help="Flush the file to disk, as a guard against a power cut.")
@click.option("--sha256", is_flag=True, help="Show the sha256 of the result in the summary.")
@click.option("--report", "report_file", metavar="F", help="Write the report as JSON; - is stdout.")
@click.option("-q", "--quiet", is_flag=True, help="Show no summary and no progress.")
@server_flags
@remote_flags
@click.option("-o", "--output", required=True, metavar="OUT", help="Output path; - is stdout.")
def command(output: str, report_file: str | None, quiet: bool, **flags: Any) -> None:  # noqa: ANN401 - as click calls it
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
    result = _freeze(output, report_file, quiet, flags)
    if report_file:
        with RaisedSignals():
            write_json(result.report.to_json(), report_file)
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


def _freeze(output: str, report_file: str | None, quiet: bool, flags: dict[str, Any]) -> FreezeResult:
    target = _target(output, flags)
    server = ServerFlags.take(flags)
    remote = {name: flags.pop(name) for name in ("model_root", "delivery")}
    if not server.server and any(remote.values()):
        raise click.UsageError("--model-root and --delivery need a server: name it with --server.")
    model = flags.pop("model")
    options = arguments(flags)
    if report_file is not None:
        inputs = input_files(model, options) if remote["model_root"] is None else []
        _check_report(report_file, output, inputs, options)
    with progress_bar(quiet) as bar, worker(server) as freezer, RaisedSignals():
        if server.server:
            remote["on_upload"] = bar and bar.sending
        given = {name: value for name, value in remote.items() if value is not None}
        result: FreezeResult = freezer.freeze(
            model, output=target, on_progress=bar and bar.writing, **given, **options
        )
    return result


def _target(output: str, flags: dict[str, Any]) -> Path | stdout.Stdout:
    if output != stdout.NAME:
        return Path(output)
    if flags["as_saved_model"]:
        raise click.UsageError(
            "A SavedModel is a directory and cannot be written to stdout. Give a path with -o."
        )
    if stdout.binary().isatty() and not flags["as_text"]:
        raise click.UsageError("-o - would write a binary GraphDef to this terminal. Pipe it, or add --text.")
    return stdout.Stdout()


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
