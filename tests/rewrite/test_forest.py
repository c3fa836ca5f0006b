"""A decision forest: a resource of ops that TensorFlow does not know, filled from a folder of assets."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format

from tffreeze_server.emit.directory import write_directory
from tffreeze_server.emit.emit import write_file
from tffreeze_server.freeze import freeze
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.tfproto.graph_pb2 import GraphDef
from tffreeze_server.tfproto.saved_model_pb2 import SavedModel

STRING = "attr { key: 'dtype' value { type: DT_STRING } }"
ASSETS = ("1a2bdone", "1a2bheader.pb", "1a2bnodes-00000-of-00001")
OPS = """
op { name: 'SimpleMLCreateModelResource' output_arg { name: 'model_handle' type: DT_RESOURCE }
  attr { name: 'container' type: 'string' } attr { name: 'shared_name' type: 'string' } is_stateful: true }
op { name: 'SimpleMLLoadModelFromPathWithHandle' input_arg { name: 'model_handle' type: DT_RESOURCE }
  input_arg { name: 'path' type: DT_STRING } is_stateful: true }
op { name: 'SimpleMLInferenceOpWithHandle' input_arg { name: 'numerical_features' type: DT_FLOAT }
  input_arg { name: 'model_handle' type: DT_RESOURCE } output_arg { name: 'predictions' type: DT_FLOAT }
  is_stateful: true }
"""


def saved_model(ops: str) -> SavedModel:
    """A forest as TF-DF saves it: the initializer is a function that is given the handle and one asset's path."""
    constants = "".join(
        f"node {{ name: 'asset{k}' op: 'Const' {STRING} attr {{ key: 'value' value {{ tensor {{ dtype: DT_STRING "
        f"tensor_shape {{}} string_val: '/old/{name}' }} }} }} }}"
        for k, name in enumerate(ASSETS)
    )
    assets = "".join(
        f"asset_file_def {{ tensor_info {{ name: 'asset{k}:0' }} filename: '{name}' }}"
        for k, name in enumerate(ASSETS)
    )
    return text_format.Parse(
        f"""saved_model_schema_version: 1 meta_graphs {{
      meta_info_def {{ tags: 'serve' stripped_op_list {{ {ops} }} }}
      graph_def {{
        {constants}
        node {{ name: 'forest' op: 'SimpleMLCreateModelResource' attr {{ key: 'shared_name' value {{ s: 'f' }} }} }}
        node {{ name: 'x' op: 'Placeholder' attr {{ key: 'dtype' value {{ type: DT_FLOAT }} }} }}
        node {{ name: 'y' op: 'SimpleMLInferenceOpWithHandle' input: 'x' input: 'forest' }}
        node {{ name: 'load' op: 'StatefulPartitionedCall' input: 'forest' input: 'asset0'
          attr {{ key: 'f' value {{ func {{ name: 'initializer' }} }} }}
          attr {{ key: 'Tin' value {{ list {{ type: DT_RESOURCE type: DT_STRING }} }} }}
          attr {{ key: 'Tout' value {{ list {{ }} }} }} }}
        node {{ name: 'NoOp' op: 'NoOp' input: '^load' }}
        library {{ function {{
          signature {{ name: 'initializer' input_arg {{ name: 'h' type: DT_RESOURCE }}
            input_arg {{ name: 'path' type: DT_STRING }} control_output: 'done' }}
          node_def {{ name: 'folder' op: 'StaticRegexReplace' input: 'path'
            attr {{ key: 'pattern' value {{ s: '1a2bdone' }} }} attr {{ key: 'rewrite' value {{ s: '' }} }} }}
          node_def {{ name: 'fill' op: 'SimpleMLLoadModelFromPathWithHandle' input: 'h' input: 'folder:output:0' }}
          control_ret {{ key: 'done' value: 'fill' }} }} }} }}
      {assets}
      signature_def {{ key: '__saved_model_init_op'
        value {{ outputs {{ key: '__saved_model_init_op' value {{ name: 'NoOp' }} }} }} }}
      signature_def {{ key: 'serving_default' value {{ inputs {{ key: 'x' value {{ name: 'x:0' dtype: DT_FLOAT }} }}
        outputs {{ key: 'y' value {{ name: 'y:0' dtype: DT_FLOAT }} }} }} }} }}""",
        SavedModel(),
    )


@pytest.mark.parametrize("ops", [OPS, ""], ids=["ops known", "ops unknown"])
def test_a_forest_keeps_its_loading_and_its_files(ops: str, tmp_path: Path) -> None:
    """The op that loads it is kept and reported, and all of its assets are there under the names it asks for."""
    (tmp_path / "model" / "assets").mkdir(parents=True)
    (tmp_path / "model" / "saved_model.pb").write_bytes(saved_model(ops).SerializeToString())
    for name in ASSETS:
        (tmp_path / "model" / "assets" / name).write_text(name)
    source = ModelSource(tmp_path / "model")

    graph = freeze(source, FreezeOptions())
    write_file(graph.plan, tmp_path / "frozen.pb")
    model = freeze(source, FreezeOptions(as_saved_model=True))
    write_directory(model.plan, tmp_path / "frozen", model.assets)

    assert [("load/fill", "forest", ASSETS[0])] == [
        (i.op, i.table, i.asset) for i in graph.report.initializers
    ]
    nodes = {n.name: n for n in GraphDef.FromString((tmp_path / "frozen.pb").read_bytes()).node}
    assert ["forest", "load/folder"] == list(nodes["load/fill"].input)
    assert b"assets/1a2bdone" == nodes["asset0"].attr["value"].tensor.string_val[0]
    assert set(ASSETS) == {path.name for path in (tmp_path / "frozen" / "assets").iterdir()}
    written = SavedModel.FromString((tmp_path / "frozen" / "saved_model.pb").read_bytes()).meta_graphs[0]
    assert ["load/fill"] == list(written.collection_def["saved_model_main_op"].node_list.value)
    assert set(ASSETS) == {asset.filename for asset in written.asset_file_def}
