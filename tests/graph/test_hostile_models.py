"""Models that are made to be misread: each ends in a reason that blames the model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from google.protobuf import text_format

from rewrite.freezing import FLOAT, X, freeze_graph, freeze_text
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.freeze import freeze
from tffreeze_server.graph import model_file
from tffreeze_server.graph.load import load
from tffreeze_server.graph.node import full_tensor_name, index_of, node_of, split_tensor
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.tfproto.graph_pb2 import GraphDef
from tffreeze_server.tfproto.saved_model_pb2 import SavedModel

SPLIT = f"""{X} node {{ name: "axis" op: "Const" attr {{ key: "dtype" value {{ type: DT_INT32 }} }}
  attr {{ key: "value" value {{ tensor {{ dtype: DT_INT32 tensor_shape {{ }} int_val: 0 }} }} }} }}
node {{ name: "s" op: "Split" input: "axis" input: "x" {FLOAT} attr {{ key: "num_split" value {{ i: 2 }} }} }}"""


def reason_of(text: str, folder: Path, *outputs: str, **options: object) -> tuple[Reason, str]:
    """The reason and subject for which a graph in text is refused."""
    with pytest.raises(FreezeError) as error:
        freeze_text(text, folder, *outputs, **options)
    return error.value.reason, error.value.subject


@pytest.mark.parametrize("digits", ["²", "٣", "9" * 5_000, "0" * 5_000, "01", "1_0", "+1", "", "x"])
def test_only_a_short_plain_number_is_an_index(digits: str) -> None:
    """Anything else behind a colon belongs to the name."""
    tensor = f"a:{digits}"
    assert index_of(digits) is None
    assert (tensor, tensor) == (node_of(tensor), split_tensor(tensor)[0])
    assert f"{tensor}:0" == full_tensor_name(tensor)


def test_an_index_is_read_as_it_is() -> None:
    """As TensorFlow writes it."""
    assert [("a", 0), ("a", 7), ("a:b", 10), ("a", 999_999_999)] == [
        split_tensor(tensor) for tensor in ("a:0", "a:7", "a:b:10", "a:999999999")
    ]


@pytest.mark.parametrize("tensor", ["s:2", "s:9", "x:1", "s:²", "s:" + "9" * 5_000])
def test_an_output_that_is_not_there_cannot_be_read(tensor: str, tmp_path: Path) -> None:
    """The node that reads it is named."""
    text = f'{SPLIT} node {{ name: "y" op: "Identity" input: "{tensor}" {FLOAT} }}'
    assert (Reason.MALFORMED_MODEL, "y") == reason_of(text, tmp_path, "y")


def test_the_last_output_can_be_read(tmp_path: Path) -> None:
    """And an op without definition may have any outputs."""
    text = f"""{SPLIT} node {{ name: "own" op: "Mine" input: "x" }}
      node {{ name: "y" op: "AddV2" input: "s:1" input: "own:7" {FLOAT} }}"""
    assert ("AddV2", ("s:1", "own:7")) == freeze_text(text, tmp_path, "y").shape()["y"]


@pytest.mark.parametrize("tensor", ["i:output:1", "i:output:²", "i:output:" + "9" * 5_000])
def test_an_output_that_is_not_there_cannot_be_read_in_a_body(tensor: str, tmp_path: Path) -> None:
    """The function is named."""
    text = f"""{X} node {{ name: "y" op: "f" input: "x" }}
      library {{ function {{ signature {{ name: "f" input_arg {{ name: "a" type: DT_FLOAT }}
                                          output_arg {{ name: "o" type: DT_FLOAT }} }}
        node_def {{ name: "i" op: "Identity" input: "a" {FLOAT} }} ret {{ key: "o" value: "{tensor}" }} }} }}"""
    assert (Reason.MALFORMED_MODEL, "f") == reason_of(text, tmp_path, "y")


def test_data_behind_a_control_input_is_refused(tmp_path: Path) -> None:
    """TensorFlow refuses it; nothing here must take `^x` for data."""
    text = f'{SPLIT} node {{ name: "y" op: "Identity" input: "^axis" input: "x" {FLOAT} }}'
    assert (Reason.MALFORMED_MODEL, "y") == reason_of(text, tmp_path, "y")


def test_an_op_that_the_model_defines_anew_is_tensorflows(tmp_path: Path) -> None:
    """A list of ops that gives Placeholder no outputs changes nothing."""
    ops = tmp_path / "ops.pbtxt"
    ops.write_text('op { name: "Placeholder" }')
    model = tmp_path / "model.pb"
    graph = text_format.Parse(f'{X} node {{ name: "y" op: "Identity" input: "x" {FLOAT} }}', GraphDef())
    model.write_bytes(graph.SerializeToString())
    result = freeze(ModelSource(model, op_list=ops), FreezeOptions(output_nodes=("y",)))
    assert ["float32"] == [tensor.dtype for tensor in result.report.inputs]


def test_a_function_with_the_name_of_an_op_is_refused(tmp_path: Path) -> None:
    """TensorFlow refuses it too: nobody could tell which of the two a node is."""
    text = f'{X} library {{ function {{ signature {{ name: "Placeholder" }} }} }}'
    assert (Reason.MALFORMED_MODEL, "model.pb") == reason_of(text, tmp_path, "x")


def nested(times: int) -> GraphDef:
    """A graph with a function as an attribute of a function as an attribute, and so on."""
    graph = text_format.Parse(f'{X} node {{ name: "y" op: "Identity" input: "x" {FLOAT} }}', GraphDef())
    value = graph.node[1].attr["_nested"]
    for _ in range(times):
        value.func.name = "f"
        value = value.func.attr["a"]
    value.i = 1
    return graph


@pytest.mark.slow  # in pure Python protobuf takes time that doubles with each level
@pytest.mark.parametrize("times", [20, 31])
def test_a_model_nested_as_deeply_as_may_be_written_is_read_again(times: int, tmp_path: Path) -> None:
    """In a SavedModel too, where it stands two messages deeper."""
    for as_text in (False, True):
        assert "y" in freeze_graph(nested(times), tmp_path, "y").shape()
        model = tmp_path / "model.pb"
        options = FreezeOptions(output_nodes=("y",), as_text=as_text)
        plan = freeze(ModelSource(model), options).plan
        assert plan.size_bytes > 100
    SavedModel.FromString(SavedModel(meta_graphs=[{"graph_def": nested(times)}]).SerializeToString())


@pytest.mark.slow  # in pure Python protobuf takes time that doubles with each level
@pytest.mark.parametrize("times", [32, 60, 300])
@pytest.mark.parametrize("as_text", [False, True])
def test_a_text_model_nested_too_deeply_is_refused(times: int, as_text: bool, tmp_path: Path) -> None:
    """No parser of protocol buffers would read what came of it."""
    inner = "i: 1"
    for _ in range(times):
        inner = f'func {{ name: "f" attr {{ key: "a" value {{ {inner} }} }} }}'
    model = tmp_path / "model.pbtxt"
    model.write_text(
        f'{X} node {{ name: "y" op: "Identity" input: "x" {FLOAT} attr {{ key: "_n" value {{ {inner} }} }} }}'
    )
    with pytest.raises(FreezeError, match=r"not a sound model|nested too deeply") as error:
        freeze(ModelSource(model), FreezeOptions(output_nodes=("y",), as_text=as_text))
    assert Reason.MALFORMED_MODEL is error.value.reason


@pytest.mark.slow  # in pure Python protobuf takes time that doubles with each level
def test_a_binary_model_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    """Protobuf would read it as a graph, and not where it is written in a SavedModel."""
    with pytest.raises(FreezeError) as error:
        freeze_graph(nested(32), tmp_path, "y")
    assert Reason.MALFORMED_MODEL is error.value.reason


def constant(*sizes: int) -> str:
    """A constant of one value and any shape."""
    dims = " ".join(f"dim {{ size: {size} }}" for size in sizes)
    return f"""op: "Const" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }} attr {{ key: "value" value {{
      tensor {{ dtype: DT_FLOAT tensor_shape {{ {dims} }} float_val: 1 }} }} }}"""


@pytest.mark.parametrize("sizes", [(1 << 60,), (1 << 40, 1 << 40), (-1,), (1 << 40, 1 << 40, 0), (1,) * 255])
@pytest.mark.parametrize("as_text", [False, True])
def test_a_constant_that_nothing_can_hold_is_refused(
    sizes: tuple[int, ...], as_text: bool, tmp_path: Path
) -> None:
    """In the graph and in bodies: nobody could load it."""
    text = f'node {{ name: "y" {constant(*sizes)} }}'
    assert (Reason.MALFORMED_MODEL, "y") == reason_of(text, tmp_path, "y", as_text=as_text)
    text = f"""{X} node {{ name: "z" op: "f" input: "x" }}
      library {{ function {{ signature {{ name: "f" input_arg {{ name: "a" type: DT_FLOAT }}
                                          output_arg {{ name: "o" type: DT_FLOAT }} }}
        attr {{ key: "_noinline" value {{ b: true }} }}
        node_def {{ name: "y" {constant(*sizes)} }} ret {{ key: "o" value: "y:output:0" }} }} }}"""
    assert (Reason.MALFORMED_MODEL, "y") == reason_of(text, tmp_path, "z", as_text=as_text)


def test_a_large_text_model_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parsing takes many times its size."""
    monkeypatch.setattr(model_file, "MAX_TEXT_BYTES", 100)
    model = tmp_path / "model.pbtxt"
    model.write_text('node { name: "a" op: "NoOp" }' + " " * 100)
    with pytest.raises(FreezeError, match="129 bytes") as error:
        load(ModelSource(model), FreezeOptions())
    assert Reason.UNSUPPORTED_MODEL is error.value.reason


def test_a_path_that_is_not_utf8_is_told_in_utf8(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are escaped in what is told."""
    model = tmp_path / os.fsdecode(b"mod\xff.pb")
    with pytest.raises(FreezeError, match="mod") as error:
        load(ModelSource(model), FreezeOptions())
    assert Reason.MODEL_NOT_FOUND is error.value.reason
    assert f"{error.value.message}{error.value.subject}".encode()
    model.write_text(f'{X} node {{ name: "y" op: "Identity" input: "x" {FLOAT} }}')
    result = freeze(ModelSource(model), FreezeOptions(output_nodes=("y",)))
    assert repr(result.report).encode()


def test_a_signature_without_outputs_is_refused(tmp_path: Path) -> None:
    """There is nothing to keep: an empty graph is no result."""
    model = SavedModel(saved_model_schema_version=1)
    meta = model.meta_graphs.add(graph_def=text_format.Parse(X, GraphDef()))
    meta.meta_info_def.tags.append("serve")
    meta.signature_def["serving_default"].inputs["x"].name = "x:0"
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    with pytest.raises(FreezeError, match=r"'serving_default'.*has no outputs") as error:
        freeze(ModelSource(tmp_path), FreezeOptions())
    assert Reason.OUTPUTS_NEEDED is error.value.reason
