"""A frozen graph as a SavedModel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf import text_format

from emit.samples import dense_graph, string_constant, write_shard
from emit.test_encode import encoded
from tffreeze_server.emit.directory import write_directory
from tffreeze_server.graph.model import Signature, TensorInfo
from tffreeze_server.graph.node import new_node
from tffreeze_server.plan.measure import OutputForm, make_plan
from tffreeze_server.rewrite.frozen_graph import FrozenGraph
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue
from tffreeze_server.tfproto.graph_pb2 import GraphDef
from tffreeze_server.tfproto.saved_model_pb2 import AssetFileDef, MetaGraphDef, SavedModel
from tffreeze_server.tfproto.tensor_pb2 import DT_FLOAT, DT_INT64, DT_STRING

BINARY = OutputForm(as_saved_model=True, tags=frozenset(("serve", "gpu")))
TEXT = replace(BINARY, as_text=True)


def vocabulary_graph() -> FrozenGraph:
    """Looks words up in a table that an init op fills from an asset."""
    types = {"key_dtype": AttrValue(type=DT_STRING), "value_dtype": AttrValue(type=DT_INT64)}
    fill = {
        "vocab_size": AttrValue(i=-1),
        "key_index": AttrValue(i=-2),
        "value_index": AttrValue(i=-1),
        "delimiter": AttrValue(s=b"\t"),
    }
    default = new_node("default", "Const", (), {"dtype": AttrValue(type=DT_INT64), "value": AttrValue()})
    default.proto.attr["value"].tensor.dtype = DT_INT64
    default.proto.attr["value"].tensor.tensor_shape.SetInParent()
    default.proto.attr["value"].tensor.int64_val.append(-1)
    lookup = {"Tin": AttrValue(type=DT_STRING), "Tout": AttrValue(type=DT_INT64)}
    nodes = (
        new_node("words", "Placeholder", (), {"dtype": AttrValue(type=DT_STRING)}),
        default,
        string_constant("asset", b"where it was made"),
        new_node("table", "HashTableV2", (), types),
        new_node("fill", "InitializeTableFromTextFileV2", ("table", "asset"), fill),
        new_node("nothing", "NoOp", (), {}),
        new_node("ids", "LookupTableFindV2", ("table", "words", "default"), lookup),
    )
    signature = Signature(
        "lookup",
        "tensorflow/serving/predict",
        {"words": TensorInfo("words:0", DT_STRING, None)},
        {"ids": TensorInfo("ids", DT_INT64, None)},
    )
    versions = GraphDef()
    versions.versions.producer = 1882
    return FrozenGraph(nodes, (), versions, (signature,), ("nothing", "fill"), {"asset": "words.txt"})


def test_a_metagraph_holds_graph_tags_and_signatures(tmp_path: Path) -> None:
    """One MetaGraph: sorted tags, the graph, the signatures with full tensor names, nothing to restore."""
    files = write_shard(tmp_path)
    message = SavedModel.FromString(encoded(dense_graph(), files, BINARY))
    (meta_graph,) = message.meta_graphs
    assert (1, ["gpu", "serve"]) == (message.saved_model_schema_version, list(meta_graph.meta_info_def.tags))
    assert GraphDef.FromString(encoded(dense_graph(), files)) == meta_graph.graph_def
    signature = meta_graph.signature_def["serving_default"]
    scores = signature.outputs["scores"]
    assert ("y:0", DT_FLOAT, [-1, 3]) == (
        scores.name,
        scores.dtype,
        [d.size for d in scores.tensor_shape.dim],
    )
    assert "tensorflow/serving/predict" == signature.method_name
    assert not meta_graph.HasField("saver_def")
    assert not meta_graph.HasField("object_graph_def")


def test_text_says_the_same_as_binary(tmp_path: Path) -> None:
    """Both forms parse to the same message."""
    files = write_shard(tmp_path)
    binary = SavedModel.FromString(encoded(dense_graph(), files, BINARY))
    assert binary == text_format.Parse(encoded(dense_graph(), files, TEXT), SavedModel())


def test_a_model_without_tags_is_tagged_serve(tmp_path: Path) -> None:
    """A loader asks for `serve` where nothing else is said."""
    message = SavedModel.FromString(
        encoded(dense_graph(), write_shard(tmp_path), OutputForm(as_saved_model=True))
    )
    assert ["serve"] == list(message.meta_graphs[0].meta_info_def.tags)


def test_op_definitions_and_version_are_kept_and_the_rest_is_not(tmp_path: Path) -> None:
    """A loader needs custom op definitions and stripped defaults; aliases of functions are gone."""
    origin = MetaGraphDef()
    origin.meta_info_def.stripped_op_list.op.add(name="Custom")
    origin.meta_info_def.tensorflow_version = "1.15.0"
    origin.meta_info_def.stripped_default_attrs = True
    origin.meta_info_def.tags.append("train")
    origin.meta_info_def.function_aliases["a"] = "b"
    origin.collection_def["train_op"].node_list.value.append("gone")
    form = replace(BINARY, meta_graph=origin)
    (meta_graph,) = SavedModel.FromString(encoded(dense_graph(), write_shard(tmp_path), form)).meta_graphs
    expected = MetaGraphDef.MetaInfoDef(
        tensorflow_version="1.15.0", stripped_default_attrs=True, tags=["gpu", "serve"]
    )
    expected.stripped_op_list.op.add(name="Custom")
    assert expected == meta_graph.meta_info_def
    assert {} == dict(meta_graph.collection_def)


def test_several_init_ops_become_one() -> None:
    """A loader takes exactly one: a NoOp that waits for all."""
    (meta_graph,) = SavedModel.FromString(encoded(vocabulary_graph(), {}, BINARY)).meta_graphs
    (main_op,) = meta_graph.collection_def["saved_model_main_op"].node_list.value
    (node,) = [node for node in meta_graph.graph_def.node if node.name == main_op]
    assert ("NoOp", ["^nothing", "^fill"]) == (node.op, list(node.input))


def test_assets_are_stated_in_both_places() -> None:
    """Old loaders read the collection, new ones the field."""
    (meta_graph,) = SavedModel.FromString(encoded(vocabulary_graph(), {}, BINARY)).meta_graphs
    (asset,) = meta_graph.asset_file_def
    assert ("words.txt", "asset:0") == (asset.filename, asset.tensor_info.name)
    (packed,) = meta_graph.collection_def["saved_model_assets"].any_list.value
    assert "type.googleapis.com/tensorflow.AssetFileDef" == packed.type_url
    assert asset == AssetFileDef.FromString(packed.value)


def test_components_of_a_sparse_tensor_become_one_again(tmp_path: Path) -> None:
    """A signature that took a sparse tensor still does."""
    sparse = {
        "ids/values": TensorInfo("v:0", DT_INT64, (-1,)),
        "ids/indices": TensorInfo("i:0", DT_INT64, (-1, 2)),
        "ids/dense_shape": TensorInfo("s:0", DT_INT64, (2,)),
        "other/values": TensorInfo("o:0", DT_FLOAT, ()),
    }
    graph = replace(dense_graph(), signatures=(Signature("sparse", "", sparse, {}),))
    (meta_graph,) = SavedModel.FromString(encoded(graph, write_shard(tmp_path), BINARY)).meta_graphs
    inputs = meta_graph.signature_def["sparse"].inputs
    assert {"ids", "other/values"} == set(inputs)
    ids = inputs["ids"]
    assert ("v:0", "i:0", "s:0", DT_INT64, [-1, -1]) == (
        ids.coo_sparse.values_tensor_name,
        ids.coo_sparse.indices_tensor_name,
        ids.coo_sparse.dense_shape_tensor_name,
        ids.dtype,
        [dim.size for dim in ids.tensor_shape.dim],
    )


@pytest.mark.tensorflow
@pytest.mark.parametrize("as_text", [False, True])
def test_tensorflow_loads_and_runs_it(tmp_path: Path, as_text: bool) -> None:
    """`tf.saved_model.load` and the loader of TF1 run the signature, without a variables folder."""
    tf = pytest.importorskip("tensorflow")
    plan = make_plan(dense_graph(), write_shard(tmp_path), OutputForm(as_saved_model=True, as_text=as_text))
    folder = tmp_path / "frozen"
    write_directory(plan, folder, {}, as_text=as_text)
    served = tf.saved_model.load(str(folder)).signatures["serving_default"]
    assert [[5.5, 7.5, 9.5]] == served(features=tf.constant([[1.0, 1.0]]))["scores"].numpy().tolist()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.saved_model.load(session, ["serve"], str(folder))
        assert [[5.5, 7.5, 9.5]] == session.run("y:0", {"x:0": [[1.0, 1.0]]}).tolist()


@pytest.mark.tensorflow
def test_tensorflow_fills_tables_from_assets(tmp_path: Path) -> None:
    """Both loaders run the init op and feed the asset's new path; the folder can be anywhere."""
    tf = pytest.importorskip("tensorflow")
    words = tmp_path / "vocabulary"
    words.write_text("zero\none\ntwo\n")
    folder = tmp_path / "frozen"
    plan = make_plan(vocabulary_graph(), {}, OutputForm(as_saved_model=True))
    write_directory(plan, folder, {"words.txt": words})
    words.unlink()
    loaded = tf.saved_model.load(str(folder))
    found = loaded.signatures["lookup"](words=tf.constant(["two", "three", "zero"]))["ids"]
    assert [2, -1, 0] == found.numpy().tolist()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.saved_model.load(session, ["serve"], str(folder))
        assert [1] == session.run("ids:0", {"words:0": ["one"]}).tolist()
