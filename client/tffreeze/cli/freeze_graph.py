"""`tffreeze freeze-graph`: the flags of TensorFlow's freeze_graph script.

The script is `tensorflow/python/tools/freeze_graph.py` of TensorFlow 2.21. We keep the quirks that a
command line may depend on: `--input_binary` alone, `=true`, `=True` (anything else is false), and
`--clear_devices` being on by default.
"""

from __future__ import annotations

import sys
from typing import Any

import click

from tffreeze.cli import stdout
from tffreeze.cli.exit_codes import exit_code
from tffreeze.cli.show import show_error, show_report, stdout_or_stderr, with_model
from tffreeze.engine import engine
from tffreeze.errors import TffreezeError
from tffreeze.interrupts import RaisedSignals
from tffreeze_common.freeze_graph_flags import DEFAULT_FILENAME_TENSOR, DEFAULT_RESTORE_OP, FreezeGraphFlags


def _true(value: str | bool) -> bool:
    """Read a boolean as the script does: `true` in any case is true, all else is false."""
    return value if isinstance(value, bool) else value.lower() == "true"


@click.command("freeze-graph", short_help="Freeze with the flags of TensorFlow's freeze_graph script.")
@click.option("--input_graph", default="", help="GraphDef file.")
@click.option("--input_saver", default="", help="SaverDef file.")
@click.option("--input_checkpoint", default="", help="Checkpoint.")
@click.option(
    "--checkpoint_version", type=int, default=2, help="1 or 2. Not needed: detected from the files."
)
@click.option("--output_graph", default="", help="Path of the frozen GraphDef.")
@click.option(
    "--input_binary",
    type=_true,
    metavar="[true|false]",
    is_flag=False,
    flag_value="true",
    default=False,
    help="Whether the input files are binary. Not needed: detected from the files.",
)
@click.option("--output_node_names", default="", help="Names of the output nodes, comma separated.")
@click.option("--restore_op_name", default=DEFAULT_RESTORE_OP, help="The saver's restore op.")
@click.option("--filename_tensor_name", default=DEFAULT_FILENAME_TENSOR, help="The saver's filename tensor.")
@click.option(
    "--clear_devices",
    type=_true,
    metavar="[true|false]",
    is_flag=False,
    flag_value="true",
    default=True,
    help="Whether to remove device placements. Default: true.",
)
@click.option("--initializer_nodes", default="", help="Nodes to run before freezing, comma separated.")
@click.option("--variable_names_whitelist", default="", help="Freeze only these variables, comma separated.")
@click.option("--variable_names_denylist", default="", help="Keep these variables, comma separated.")
@click.option("--input_meta_graph", default="", help="MetaGraphDef file.")
@click.option("--input_saved_model_dir", default="", help="SavedModel directory.")
@click.option("--saved_model_tags", default="serve", help="Tags of the MetaGraph, comma separated.")
def command(**flags: Any) -> None:  # noqa: ANN401 - as click calls it
    """Freeze a graph, with the flags of TensorFlow's freeze_graph script.

    A drop-in replacement for scripts that call freeze_graph.py or freeze_graph. For new scripts, use
    `tffreeze freeze`.

    \b
    Examples:
      tffreeze freeze-graph --input_graph=graph.pb --input_binary --input_checkpoint=model.ckpt-100 \\
        --output_node_names=softmax --output_graph=frozen.pb
      tffreeze freeze-graph --input_saved_model_dir=saved_model/ --output_node_names=softmax \\
        --output_graph=frozen.pb
    """  # noqa: D301 - click looks for the character that \b stands for
    local = engine()
    local.load()
    try:
        with RaisedSignals():
            report = local.freeze_graph(FreezeGraphFlags(**flags))
    except TffreezeError as error:
        model = flags["input_meta_graph"] or flags["input_saved_model_dir"] or flags["input_graph"]
        show_error(error, lambda text: with_model(local.freeze_graph_words(text), model or "MODEL"))
        sys.exit(exit_code(error))
    if flags["output_graph"]:
        is_taken = stdout.is_meant(flags["output_graph"])
        show_report(report, flags["output_graph"], stdout_or_stderr(is_taken))
