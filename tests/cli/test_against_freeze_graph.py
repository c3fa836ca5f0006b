"""`compat.freeze_graph` beside TensorFlow's own, on a graph that both can freeze."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from tffreeze_server.compat import freeze_graph as compat
from tffreeze_server.compat.freeze_graph import freeze_graph

pytestmark = pytest.mark.tensorflow

tf = pytest.importorskip("tensorflow")
np = pytest.importorskip("numpy")
original = pytest.importorskip("tensorflow.python.tools.freeze_graph")

FEED = {"x:0": [[1.0, 2.0], [3.0, 4.0]]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph with ref variables, its checkpoint, MetaGraph and saver file, and a SavedModel of it."""
    folder = tmp_path_factory.mktemp("model")
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        with tf.device("/cpu:0"):
            kernel = v1.get_variable("kernel", initializer=[[1.0], [2.0]], use_resource=False)
        bias = v1.get_variable("bias", initializer=[3.0], use_resource=False)
        y = tf.add(tf.matmul(x, kernel), bias, name="y")
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver()
        saver.save(session, str(folder / "model"))
        tf.io.write_graph(graph, str(folder), "graph.pb", as_text=False)
        tf.io.write_graph(graph, str(folder), "graph.pbtxt", as_text=True)
        (folder / "saver.pb").write_bytes(saver.as_saver_def().SerializeToString())
        v1.saved_model.simple_save(session, str(folder / "sm"), {"x": x}, {"y": y})
    return folder


@pytest.mark.parametrize(
    "flags",
    [
        {"input_graph": "graph.pb", "input_binary": True},
        {"input_graph": "graph.pbtxt"},
        {"input_graph": "graph.pb", "input_binary": True, "clear_devices": False},
        {"input_graph": "graph.pb", "input_binary": True, "input_saver": "saver.pb"},
        {"input_meta_graph": "model.meta", "input_binary": True},
        {"input_saved_model_dir": "sm", "input_checkpoint": ""},
        {"input_graph": "graph.pb", "input_binary": True, "variable_names_whitelist": "kernel"},
        {"input_graph": "graph.pb", "input_binary": True, "variable_names_denylist": "kernel"},
    ],
)
def test_results_are_the_same(flags: dict[str, Any], folder: Path) -> None:
    """The same call gives a graph with the same variables frozen and the same outputs."""
    flags = {**_defaults(folder), **flags}
    for name in ("input_graph", "input_saver", "input_meta_graph", "input_saved_model_dir"):
        flags[name] = str(folder / flags[name]) if flags.get(name) else flags.get(name, "")
    with tf.Graph().as_default():
        theirs = original.freeze_graph(**flags)
    ours = freeze_graph(**flags)
    assert _variables(theirs) == _variables(ours)
    assert any(node.device for node in ours.node) is not flags["clear_devices"]
    if not _variables(ours):
        np.testing.assert_array_equal(_run(theirs), _run(ours))
        np.testing.assert_array_equal(_run(ours), [[8.0], [14.0]])


@pytest.mark.parametrize(
    "flags", [{"input_checkpoint": "nope"}, {"output_node_names": ""}, {"input_graph": "nope"}]
)
def test_mistakes_raise_the_same(flags: dict[str, Any], folder: Path) -> None:
    """What a caller catches from the original it catches from this."""
    flags = {**_defaults(folder), "input_graph": str(folder / "graph.pb"), "input_binary": True, **flags}
    raised = []
    for function in (original.freeze_graph, freeze_graph):
        with tf.Graph().as_default(), pytest.raises((ValueError, OSError)) as caught:
            function(**flags)
        raised.append(ValueError if isinstance(caught.value, ValueError) else OSError)
    assert raised[0] is raised[1]


def _defaults(folder: Path) -> dict[str, Any]:
    return {
        "input_graph": "", "input_saver": "", "input_binary": False, "input_checkpoint": str(folder / "model"),
        "output_node_names": "y", "restore_op_name": "save/restore_all", "filename_tensor_name": "save/Const:0",
        "output_graph": "", "clear_devices": True, "initializer_nodes": "",
    }  # fmt: skip


def _variables(graph: Any) -> set[str]:
    return {node.name for node in graph.node if node.op in ("VariableV2", "VarHandleOp")}


def _run(graph: Any) -> Any:
    with tf.Graph().as_default() as imported, tf.compat.v1.Session(graph=imported) as session:
        tf.import_graph_def(graph, name="")
        return session.run("y:0", FEED)


def test_parameters_of_both_functions_are_the_originals() -> None:
    """Names, order and defaults of the parameters, where the original's is not None."""
    for name in ("freeze_graph", "freeze_graph_with_def_protos"):
        theirs = inspect.signature(getattr(original, name)).parameters
        ours = inspect.signature(getattr(compat, name)).parameters
        assert list(theirs) == list(ours)
        assert {key: p.default for key, p in theirs.items()} == {key: p.default for key, p in ours.items()}


def test_the_op_that_restores_is_no_output(folder: Path) -> None:
    """The original's own test of partitioned variables asks for it, and for a ValueError."""
    graph = tf.compat.v1.GraphDef.FromString((folder / "graph.pb").read_bytes())
    with pytest.raises(ValueError, match="save/restore_all"):
        compat.freeze_graph_with_def_protos(
            input_graph_def=graph,
            input_saver_def=None,
            input_checkpoint=str(folder / "model"),
            output_node_names="save/restore_all",
            restore_op_name="save/restore_all",
            filename_tensor_name="save/Const:0",
            output_graph="",
            clear_devices=False,
            initializer_nodes="",
        )


def test_messages_of_tensorflow_freeze(folder: Path) -> None:
    """TensorFlow's own messages go in, and its own message comes out, which runs."""
    graph = tf.compat.v1.GraphDef.FromString((folder / "graph.pb").read_bytes())
    arguments = (graph, None, str(folder / "model"), "y", "save/restore_all", "save/Const:0", "", True, "")
    results = []
    for function in (original.freeze_graph_with_def_protos, compat.freeze_graph_with_def_protos):
        with tf.Graph().as_default():
            frozen = function(*arguments)
        assert isinstance(frozen, tf.compat.v1.GraphDef)
        with tf.Graph().as_default() as made, tf.compat.v1.Session(graph=made) as session:
            tf.import_graph_def(frozen, name="")
            results.append(session.run("y:0", FEED))
    np.testing.assert_array_equal(results[0], results[1])
