"""Signatures: several at once, composite inputs, names after keys, what cannot be frozen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conformance.harness import Frozen, assert_same, freeze_file, np, session_of
from rewrite.tf_cases import B, W, X, noinline, save_module, tf
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.options import FreezeOptions, ModelSource

pytestmark = pytest.mark.tensorflow
SPECS = {"x": tf.TensorSpec((None, 3), tf.float32, name="x")}


class Weights(tf.Module):
    """A matrix and a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable(W, name="w")
        self.b = tf.Variable(B, name="b")


def run_by_key(frozen: Frozen, signature: str, feeds: dict[str, Any]) -> dict[str, Any]:
    """Outputs of a signature by key."""
    inputs = {i.key: i.tensor for i in frozen.report.inputs if i.signature_key == signature}
    outputs = {o.key: o.tensor for o in frozen.report.outputs if o.signature_key == signature}
    with session_of(frozen) as session:
        return dict(
            session.run(outputs, {inputs[key]: value for key, value in feeds.items() if key in inputs})
        )


@pytest.mark.parametrize("rename_io", [False, True])
def test_odd_signatures(rename_io: bool, tmp_path: Path) -> None:
    """Inputs handed straight on or not read, outputs given twice, constants, keys that are names of nodes."""
    module = Weights()
    functions = save_module(
        module,
        tmp_path / "model",
        SPECS,
        first=lambda x: {"x": x, "again": x, "y": x @ module.w, "same": x @ module.w},
        second=lambda x: {
            "y": module.b.read_value(),
            "w": tf.constant(1.0),
            "StatefulPartitionedCall": module.b + x,
        },
    )
    options = FreezeOptions(signature_keys=("first", "second"), rename_io=rename_io)
    frozen = freeze_file(tmp_path / "model", tmp_path / "frozen.pb", options)

    for key, function in functions.items():
        expected = {name: value.numpy() for name, value in function(tf.constant(X)).items()}
        assert_same(expected, run_by_key(frozen, key, {"x": X}))
    if rename_io:
        assert "second/StatefulPartitionedCall:0" in {o.tensor for o in frozen.report.outputs}
        assert {"first/x:0", "second/x:0"} == {i.tensor for i in frozen.report.inputs}


@pytest.mark.parametrize(
    "key", ["b", "w", "y/out", "StatefulPartitionedCall", "serving_default_x", "x", "_y", "y z"]
)
def test_keys_that_collide(key: str, tmp_path: Path) -> None:
    """An output may have the name of a variable, of a call, of an input, or none that a node may have."""
    module = Weights()
    functions = save_module(
        module, tmp_path / "model", SPECS, serving_default=lambda x: {key: x @ module.w + module.b}
    )
    options = FreezeOptions(rename_io=True)
    frozen = freeze_file(tmp_path / "model", tmp_path / "frozen.pb", options)

    expected = {key: functions["serving_default"](tf.constant(X))[key].numpy()}
    assert_same(expected, run_by_key(frozen, "serving_default", {"x": X}))
    assert {"b", "w"} == {v.name for v in frozen.report.variables}
    assert {node.name for node in frozen.graph.node} >= {v.node for v in frozen.report.variables}


def test_a_signature_and_a_node(tmp_path: Path) -> None:
    """An output asked for by name keeps it where those of signatures are renamed."""
    module = Weights()
    save_module(module, tmp_path / "model", SPECS, serving_default=lambda x: {"y": x @ module.w})
    options = FreezeOptions(
        rename_io=True, signature_keys=("serving_default",), output_nodes=("StatefulPartitionedCall",)
    )
    frozen = freeze_file(tmp_path / "model", tmp_path / "frozen.pb", options)

    assert ["y:0", "StatefulPartitionedCall:0"] == [o.tensor for o in frozen.report.outputs]
    with session_of(frozen) as session:
        one, two = session.run(["y:0", "StatefulPartitionedCall:0"], {"x:0": X})
    assert_same({"": X @ W}, {"": one})
    assert_same({"": one}, {"": two})


def test_a_signature_cut(tmp_path: Path) -> None:
    """A signature may be cut inside its call; the report tells the new input."""
    module = Weights()
    save_module(
        module,
        tmp_path / "model",
        SPECS,
        serving_default=lambda x: {"y": tf.nn.relu(x @ module.w) + module.b},
    )
    whole = freeze_file(tmp_path / "model", tmp_path / "frozen.pb")
    (product,) = (node.name for node in whole.graph.node if node.op == "MatMul")
    options = FreezeOptions(signature_keys=("serving_default",), input_nodes=(product,))
    frozen = freeze_file(tmp_path / "model", tmp_path / "frozen.pb", options)

    assert ["b"] == [variable.name for variable in frozen.report.variables]
    assert f"{product}:0" in {i.tensor for i in frozen.report.inputs}
    with session_of(frozen) as session:
        y = session.run(frozen.report.outputs[0].tensor, {f"{product}:0": X})
    assert_same({"": np.maximum(X, 0) + B}, {"": y})


def test_ragged_and_sparse_inputs(tmp_path: Path) -> None:
    """Composite inputs are their parts."""
    module = Weights()
    specs = {
        "ragged": tf.RaggedTensorSpec((None, None), tf.float32),
        "sparse": tf.SparseTensorSpec((None, 3), tf.float32),
    }

    def total(ragged: Any, sparse: Any) -> dict[str, Any]:
        return {
            "rows": tf.reduce_sum(ragged, axis=1) * module.b[0],
            "product": tf.sparse.sparse_dense_matmul(sparse, module.w),
        }

    functions = save_module(module, tmp_path / "model", specs, serving_default=total)
    ragged = tf.ragged.constant([[1.0, 2.0], [], [3.0]])
    sparse = tf.sparse.from_dense(X)
    expected = {key: value.numpy() for key, value in functions["serving_default"](ragged, sparse).items()}
    frozen = freeze_file(tmp_path / "model", tmp_path / "frozen.pb")

    parts = [ragged.values, ragged.row_splits, sparse.indices, sparse.values, sparse.dense_shape]
    feeds = {}
    for i in frozen.report.inputs:
        dtype, rank = i.dtype, len(i.shape or ())
        (value,) = (
            p.numpy()
            for p in parts
            if p.dtype.name == dtype
            and p.shape.rank == rank
            and ("sparse" in i.key) == any(p is q for q in parts[2:])
        )
        feeds[i.key] = value
    assert 5 == len(feeds)
    assert_same(expected, run_by_key(frozen, "serving_default", feeds))


def test_a_data_set_that_captures_a_variable(tmp_path: Path) -> None:
    """What a data set does with a variable it captures is not known: an error names it."""
    module = Weights()

    def mapped(x: Any) -> dict[str, Any]:
        data = tf.data.Dataset.from_tensors(x).map(lambda row: row + module.b)
        return {"y": data.reduce(tf.zeros((3,)), lambda total, row: total + tf.reduce_sum(row, axis=0))}

    save_module(module, tmp_path / "model", SPECS, serving_default=mapped)
    with pytest.raises(FreezeError) as caught:
        freeze_file(tmp_path / "model", tmp_path / "frozen.pb")

    assert Reason.UNSUPPORTED_OP is caught.value.reason
    assert "MapDataset" in caught.value.message


def test_a_data_set_beside_variables(tmp_path: Path) -> None:
    """A data set whose functions are free of variables is kept, functions and all."""
    module = Weights()

    def mapped(x: Any) -> dict[str, Any]:
        data = tf.data.Dataset.from_tensors(x).map(lambda row: row * 2.0)
        return {
            "y": data.reduce(tf.zeros((3,)), lambda total, row: total + tf.reduce_sum(row, axis=0)) + module.b
        }

    functions = save_module(module, tmp_path / "model", SPECS, serving_default=mapped)
    expected = {"y": functions["serving_default"](tf.constant(X))["y"].numpy()}
    frozen = freeze_file(tmp_path / "model", tmp_path / "frozen.pb")

    assert_same(expected, run_by_key(frozen, "serving_default", {"x": X}))


def test_python_functions_are_told(tmp_path: Path) -> None:
    """A graph that calls back into Python freezes; a warning says that this is not in the graph."""
    module = Weights()
    save_module(
        module,
        tmp_path / "model",
        SPECS,
        serving_default=lambda x: {
            "y": tf.ensure_shape(tf.py_function(lambda v: v, [x], tf.float32), (None, 3)) + module.b
        },
    )
    frozen = freeze_file(tmp_path / "model", tmp_path / "frozen.pb")

    assert "EagerPyFunc" in frozen.ops()
    assert "STATEFUL_OP" in {warning.code for warning in frozen.report.warnings}


def test_devices_are_cleared_in_functions_too(tmp_path: Path) -> None:
    """A branch that was placed somewhere is placed nowhere."""
    module = Weights()

    @noinline
    def placed(x: Any) -> Any:
        with tf.device("/device:GPU:3"):
            return x * module.b

    save_module(module, tmp_path / "model", SPECS, serving_default=lambda x: {"y": placed(x)})
    frozen = freeze_file(
        ModelSource(tmp_path / "model"), tmp_path / "frozen.pb", FreezeOptions(clear_devices=True)
    )
    kept = freeze_file(ModelSource(tmp_path / "model"), tmp_path / "frozen.pb")

    assert {""} == {node.device for f in frozen.graph.library.function for node in f.node_def}
    assert "/device:GPU:3" in {node.device for f in kept.graph.library.function for node in f.node_def}
    assert_same({"y": X * B}, run_by_key(frozen, "serving_default", {"x": X}))


def test_freezing_again_changes_nothing(tmp_path: Path) -> None:
    """A frozen graph with functions in it passes through."""
    module = Weights()

    def looped(x: Any) -> dict[str, Any]:
        return {"y": tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y @ module.w), (0, x))[1]}

    save_module(module, tmp_path / "model", SPECS, serving_default=looped)
    once = freeze_file(ModelSource(tmp_path / "model"), tmp_path / "frozen.pb")
    (y,) = once.report.outputs
    options = FreezeOptions(output_nodes=(y.tensor,))
    freeze_file(ModelSource(tmp_path / "frozen.pb"), tmp_path / "again.pb", options)
    freeze_file(ModelSource(tmp_path / "again.pb"), tmp_path / "more.pb", options)

    assert {n.name for n in once.graph.node} >= {n.name for n in _graph(tmp_path / "again.pb").node}
    assert (tmp_path / "again.pb").read_bytes() == (tmp_path / "more.pb").read_bytes()


def _graph(path: Path) -> Any:
    return tf.compat.v1.GraphDef.FromString(path.read_bytes())
