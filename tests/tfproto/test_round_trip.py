"""What is read and written again through our messages is what TensorFlow itself would have written."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.message import Message

from tffreeze_server.tfproto.attr_value_pb2 import AttrValue
from tffreeze_server.tfproto.checkpoint_pb2 import BundleEntryProto
from tffreeze_server.tfproto.graph_pb2 import GraphDef, NodeDef
from tffreeze_server.tfproto.saved_model_pb2 import MetaGraphDef, SavedModel
from tffreeze_server.tfproto.tensor_pb2 import DataType, TensorProto

# Field 100, a string: later versions of TensorFlow may have it, ours does not.
UNKNOWN = b"\xa2\x06\x05later"


@pytest.fixture(scope="module")
def saved_model(tf: Any, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Make a SavedModel with functions, control flow, an object graph and a signature."""

    class Model(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.weights = tf.Variable([[1.5, -2.0], [0.0, 3.25]], name="weights")
            self.words = tf.constant(["a\xff", ""])

        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, "x")])  # type: ignore[untyped-decorator]
        def __call__(self, x: Any) -> Any:
            while tf.reduce_sum(x) < 10.0:
                x = x @ self.weights + 1.0
            return {"y": x, "words": self.words}

    folder = tmp_path_factory.mktemp("saved_model")
    model = Model()
    tf.saved_model.save(model, str(folder), signatures=model.__call__)
    return (folder / "saved_model.pb").read_bytes()


@pytest.fixture(scope="module")
def meta_graph(tf: Any, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Make the MetaGraph of a session: ref variables, collections, a saver and its op list."""
    folder = tmp_path_factory.mktemp("meta_graph")
    with tf.Graph().as_default():
        kept = tf.compat.v1.get_variable("kept", initializer=[1.0, 2.0], use_resource=False)
        part = tf.compat.v1.fixed_size_partitioner(2)
        tf.compat.v1.get_variable("parted", [4, 2], partitioner=part, use_resource=False)
        tf.cond(kept[0] > 0.0, lambda: kept + 1.0, lambda: kept * 2.0, name="out")
        saver = tf.compat.v1.train.Saver()
        saver.export_meta_graph(str(folder / "model.meta"))
    return (folder / "model.meta").read_bytes()


@pytest.fixture(scope="module")
def graph(meta_graph: bytes) -> bytes:
    """Take the graph out of that MetaGraph."""
    return MetaGraphDef.FromString(meta_graph).graph_def.SerializeToString(deterministic=True)


CASES = [
    pytest.param("graph", GraphDef, id="GraphDef"),
    pytest.param("meta_graph", MetaGraphDef, id="MetaGraphDef"),
    pytest.param("saved_model", SavedModel, id="SavedModel"),
]
MODULES = {
    GraphDef: "tensorflow.core.framework.graph_pb2",
    MetaGraphDef: "tensorflow.core.protobuf.meta_graph_pb2",
    SavedModel: "tensorflow.core.protobuf.saved_model_pb2",
}


def tensorflows(ours: type[Message]) -> type[Message]:
    """Find TensorFlow's message of the same name."""
    theirs: type[Message] = getattr(importlib.import_module(MODULES[ours]), ours.DESCRIPTOR.name)
    return theirs


@pytest.mark.tensorflow
@pytest.mark.parametrize(("made", "ours"), CASES)
def test_binary_is_what_tensorflow_writes(made: str, ours: type[Message], request: Any) -> None:
    """The same bytes come out of our message as of TensorFlow's."""
    data = request.getfixturevalue(made)
    expected = tensorflows(ours).FromString(data).SerializeToString(deterministic=True)
    assert len(expected) > 1000
    assert expected == ours.FromString(data).SerializeToString(deterministic=True)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("made", "ours"), CASES)
def test_text_is_what_tensorflow_writes(made: str, ours: type[Message], request: Any) -> None:
    """The text of our message is TensorFlow's, and TensorFlow's text parses to the same message."""
    data = request.getfixturevalue(made)
    text = text_format.MessageToString(tensorflows(ours).FromString(data))
    assert text == text_format.MessageToString(ours.FromString(data))
    assert ours.FromString(data) == text_format.Parse(text, ours())


@pytest.mark.tensorflow
@pytest.mark.usefixtures("tf")
def test_real_models_come_out_as_tensorflow_writes_them(models_dir: Path) -> None:
    """Every graph, MetaGraph and SavedModel of others is read and written as TensorFlow does."""
    kinds: dict[str, type[Message]] = {
        "**/saved_model.pb": SavedModel,
        "**/*.meta": MetaGraphDef,
        "**/*graph*.pb": GraphDef,
    }
    read = 0
    for pattern, ours in kinds.items():
        for path in sorted(models_dir.glob(pattern)):
            data = path.read_bytes()
            theirs = tensorflows(ours).FromString(data).SerializeToString(deterministic=True)
            assert theirs == ours.FromString(data).SerializeToString(deterministic=True), path
            read += 1
    assert read > 20


@pytest.mark.parametrize("message", [NodeDef, AttrValue, GraphDef, SavedModel, BundleEntryProto, TensorProto])
def test_unknown_fields_survive(message: type[Message]) -> None:
    """A field that only a later TensorFlow knows is still there after reading and writing."""
    assert message.FromString(UNKNOWN).SerializeToString() == UNKNOWN


def test_unknown_fields_survive_inside() -> None:
    """They survive in nested messages and in values of maps, also where a copy was changed."""
    node = NodeDef.FromString(UNKNOWN)
    node.attr["T"].CopyFrom(AttrValue.FromString(UNKNOWN))
    graph = GraphDef(node=[node])
    copy = GraphDef.FromString(graph.SerializeToString())
    copy.node[0].name = "renamed"
    copy.node[0].attr["T"].type = DataType.DT_FLOAT
    assert copy.SerializeToString().count(UNKNOWN) == 2


@pytest.mark.parametrize(
    "data",
    [pytest.param(b"\x30\x63", id="type: 99"), pytest.param(b"\x0a\x04\x32\x02\x01\x63", id="list: [1, 99]")],
)
def test_types_of_a_later_tensorflow_survive(data: bytes) -> None:
    """A DataType number we have no name for is kept, singular and in lists."""
    assert data == AttrValue.FromString(data).SerializeToString()
