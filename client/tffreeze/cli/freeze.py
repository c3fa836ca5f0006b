"""`tffreeze freeze`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO, cast

import click

from tffreeze import embedded
from tffreeze.cli import stdout
from tffreeze.cli.flags import arguments, model_flags, names
from tffreeze.cli.progress import progress_bar
from tffreeze.cli.server_flags import ServerFlags, client, remote_flags, server_flags
from tffreeze.cli.show import show_report, stdout_or_stderr
from tffreeze.cli.write import write_json
from tffreeze.engine import engine
from tffreeze.interrupts import RaisedSignals
from tffreeze.local_model import input_files
from tffreeze.options import FreezeArguments
from tffreeze.output import Target, check_output
from tffreeze.result import FreezeResult


@click.command("freeze", short_help="Freeze a model into one GraphDef or SavedModel.")
@model_flags
@click.option("--clear-devices", is_flag=True, help="Remove device placements, in function bodies too.")
@click.option("--allow", type=names, multiple=True, metavar="V,W", help="Freeze only these variables.")
@click.option("--deny", type=names, multiple=True, metavar="V,W", help="Leave these variables as they are.")
@click.option(
    "--moving-average",
    is_flag=True,
    help="Take VAR/ExponentialMovingAverage instead of VAR where the checkpoint has it.",
)
@click.option("--rename-io", is_flag=True, help="Name inputs and outputs after the keys of the signature.")
@click.option("--text", "as_text", is_flag=True, help="Write text format instead of binary.")
@click.option("--saved-model", "as_saved_model", is_flag=True, help="Write a SavedModel without variables.")
@click.option("--fsync", is_flag=True, help="Wait until the file is on disk, as a guard against a power cut.")
@click.option("--sha256", is_flag=True, help="Tell the sha256 of the result in the summary.")
@click.option("--report", "report_file", metavar="F", help="Write the report as JSON; - is stdout.")
@click.option("-q", "--quiet", is_flag=True, help="No summary and no progress.")
@server_flags
@remote_flags
@click.option("-o", "--output", required=True, metavar="OUT", help="Where to write; - is stdout.")
def command(output: str, report_file: str | None, quiet: bool, **flags: Any) -> None:  # noqa: ANN401 - as click calls it
    """Freeze MODEL: turn its variables into constants and keep what its outputs need.

    MODEL is a SavedModel directory, or a file with a MetaGraphDef or GraphDef, binary or text: tffreeze
    looks what it is. A tensor name (a:0) is as good as the node's (a).

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
    if stdout.NAME == output == report_file:
        raise click.UsageError("-o - and --report - both want stdout: write one of them to a file.")
    result = _freeze(output, report_file, quiet, flags)
    if report_file:
        with RaisedSignals():
            write_json(result.report.to_json(), report_file)
    if not quiet:
        is_taken = stdout.NAME in (output, report_file)
        shown = "stdout" if output == stdout.NAME else output
        show_report(result.report, shown, stdout_or_stderr(is_taken), result.sha256)


def _freeze(output: str, report_file: str | None, quiet: bool, flags: dict[str, Any]) -> FreezeResult:
    target = _target(output, flags)
    server = ServerFlags.take(flags)
    model, model_root, delivery = (flags.pop(name) for name in ("model", "model_root", "delivery"))
    fsync, sha256 = flags.pop("fsync"), flags.pop("sha256")
    if not server.server and (model_root is not None or delivery):
        raise click.UsageError("--model-root and --delivery are for servers: name one with --server.")
    options = arguments(flags)
    if report_file is not None:
        inputs = input_files(model, options) if model_root is None else []
        _check_report(report_file, output, inputs, options)
    with progress_bar(quiet) as bar:
        on_progress = bar.writing if bar else None
        if not server.server:
            engine().load()
            with RaisedSignals():
                return embedded.freeze(
                    model, output=target, on_progress=on_progress, fsync=fsync, sha256=sha256, **options
                )
        with client(server) as remote, RaisedSignals():
            return remote.freeze(
                model,
                output=target,
                model_root=model_root,
                delivery=delivery,
                on_upload=bar.sending if bar else None,
                on_progress=on_progress,
                fsync=fsync,
                sha256=sha256,
                **options,
            )


def _target(output: str, flags: dict[str, Any]) -> Target:
    if output != stdout.NAME:
        return Path(output)
    if flags["as_saved_model"]:
        raise click.UsageError("A SavedModel is a directory: it cannot be written to stdout.")
    if stdout.binary().isatty() and not flags["as_text"]:
        raise click.UsageError("-o - would write a binary GraphDef to this terminal: pipe it, or add --text.")
    return cast(BinaryIO, stdout.Stdout())  # only written to


def _check_report(report_file: str, output: str, inputs: list[Path], options: FreezeArguments) -> None:
    """The report may be neither a file that is read nor the output, but a file in the SavedModel's directory."""
    if report_file == stdout.NAME:
        stdout.binary()
        return
    report = Path(report_file)
    others = [] if output == stdout.NAME else [Path(output)]
    inside = Path(os.path.realpath(report)).parent == Path(os.path.realpath(output))
    if not (inside and options.get("as_saved_model")):
        check_output(report, inputs)
        check_output(report, others, role="the output")
