"""The report is of what is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewrite.freezing import FLOAT, X, freeze_text
from tffreeze_server.emit.emit import write_file
from tffreeze_server.freeze import freeze
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.tensors.crc32c import extend
from tffreeze_server.tfproto.graph_pb2 import GraphDef

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("as_saved_model", [False, True])
def test_size_and_crc_are_those_of_the_file(tmp_path: Path, as_text: bool, as_saved_model: bool) -> None:
    """In every form."""
    options = FreezeOptions(as_text=as_text, as_saved_model=as_saved_model)
    result = freeze(ModelSource(FIXTURES / "digits"), options)
    write_file(result.plan, tmp_path / "out")
    data = (tmp_path / "out").read_bytes()
    assert (len(data), f"{extend(0, data):08x}") == (result.report.size_bytes, result.report.crc32c)


def test_inputs_outputs_and_constants_are_in_the_graph(tmp_path: Path) -> None:
    """Each tensor and each constant that the report names is a node of the frozen graph."""
    result = freeze(ModelSource(FIXTURES / "digits"), FreezeOptions())
    write_file(result.plan, tmp_path / "frozen.pb")
    graph = GraphDef.FromString((tmp_path / "frozen.pb").read_bytes())
    ops = {node.name: node.op for node in graph.node}
    report = result.report
    assert [("image", "probabilities")] == [
        (i.key, o.key) for i, o in zip(report.inputs, report.outputs, strict=True)
    ]
    assert {tensor.tensor.removesuffix(":0") for tensor in (*report.inputs, *report.outputs)} <= ops.keys()
    assert {"Const"} == {ops[variable.node] for variable in report.variables}
    assert (len(graph.node), len(graph.library.function)) == (report.nodes, report.functions)


def test_weights_are_what_the_variables_take() -> None:
    """Bytes from the checkpoint are the bytes of the variables."""
    report = freeze(ModelSource(FIXTURES / "digits"), FreezeOptions()).report
    assert sum(variable.size_bytes for variable in report.variables) == report.weights_bytes
    assert {("variables.data-00000-of-00001",)} == {variable.shards for variable in report.variables}


def test_what_no_output_needs_is_listed() -> None:
    """Slots of the optimizer, as variables and as keys of the checkpoint; each key is used or dropped."""
    source = ModelSource(FIXTURES / "moving_average" / "model.meta", FIXTURES / "moving_average" / "model")
    report = freeze(source, FreezeOptions(output_nodes=("y",))).report
    assert {"w": "w/ExponentialMovingAverage", "b": "b/ExponentialMovingAverage"} == {
        variable.name: variable.key for variable in report.variables
    }
    assert ("b", "b/Momentum", "w", "w/Momentum") == report.dropped.checkpoint_keys
    assert {"b/Momentum", "w/Momentum"} <= set(report.dropped.variables)
    assert report.dropped.nodes > 0


def test_a_variable_that_stays_is_listed() -> None:
    """By the deny-list."""
    source = ModelSource(FIXTURES / "moving_average" / "model.meta", FIXTURES / "moving_average" / "model")
    report = freeze(source, FreezeOptions(output_nodes=("y",), deny=("b",))).report
    assert (("b",), ["w"]) == (report.kept_variables, [variable.name for variable in report.variables])


def test_nodes_above_a_cut_are_dropped(tmp_path: Path) -> None:
    """What only the cut tensor needed is gone; the node that was cut at stays, as a Placeholder."""
    chain = [
        X,
        *(f'node {{ name: "{n}" op: "Neg" input: "{i}" {FLOAT} }}' for n, i in ("ax", "ba", "cb", "dc")),
    ]
    text = "\n".join(chain)
    whole = freeze_text(text, tmp_path, "c").report.dropped
    cut = freeze_text(text, tmp_path, "c", input_nodes=("b",)).report.dropped
    assert (1, 3) == (whole.nodes, cut.nodes)


def test_an_inlined_call_is_in_the_graph_where_its_body_is(tmp_path: Path) -> None:
    """A call that outputs need is not dropped; one above a cut is, but not the one that the cut is in."""
    body = (
        'node_def { name: "n" op: "Neg" input: "a" attr { key: "T" value { type: DT_FLOAT } } } '
        'ret { key: "r" value: "n:y:0" }'
    )
    function = (
        'library { function { signature { name: "f" input_arg { name: "a" type: DT_FLOAT } '
        f'output_arg {{ name: "r" type: DT_FLOAT }} }} {body} }} }}'
    )
    calls = [f'node {{ name: "{n}" op: "f" input: "{i}" }}' for n, i in ("ax", "ba", "cb", "da")]
    text = "\n".join([X, *calls, function])
    assert 1 == freeze_text(text, tmp_path, "c/n").report.dropped.nodes
    assert 3 == freeze_text(text, tmp_path, "c/n", input_nodes=("b/n",)).report.dropped.nodes
