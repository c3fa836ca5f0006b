"""Functions that are not called by a plain call: by name, by batching, by datasets, from TF1 graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conformance.harness import assert_freezes_signature, assert_same, freeze_file, np, run, tf, tf1
from conformance.test_tf1_control_flow import Weights as Variables
from conformance.test_tf1_control_flow import assert_freezes
from conformance.test_tf_function import Weights, X, save
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.options import FreezeOptions, ModelSource

function = pytest.importorskip("tensorflow.python.framework.function")
pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize("noinline", [False, True])
@pytest.mark.parametrize("use_resource", [False, True], ids=["ref", "resource"])
def test_defun(use_resource: bool, noinline: bool, tmp_path: Path) -> None:
    """Functions of TensorFlow 1 are called by their name as op, with variables captured or passed."""

    def build(x: Any) -> Any:
        v = Variables(use_resource=use_resource)

        @function.Defun(tf.float32, tf.float32, noinline=noinline)
        def product(left: Any, right: Any) -> Any:
            return left @ right, left * 2.0

        @function.Defun(tf.float32, noinline=noinline)
        def captured(value: Any) -> Any:
            return value + v.b

        first, second = product(x, v.w)
        return captured(first) + captured(second)

    assert_freezes(build, tmp_path)


@pytest.mark.parametrize("use_resource", [False, True], ids=["ref", "resource"])
def test_tf_function_in_a_tf1_graph(use_resource: bool, tmp_path: Path) -> None:
    """`tf.function` and functional control flow in a graph whose saver is of TensorFlow 1."""

    def build(x: Any) -> Any:
        v = Variables(use_resource=use_resource)

        @tf.function
        def step(value: Any) -> Any:
            if tf.reduce_sum(value) > 0:
                return value @ v.w
            for i in tf.range(3):
                value = value + tf.gather(v.table, i)
            return value

        return step(step(x))

    assert_freezes(build, tmp_path)


def test_batching(tmp_path: Path) -> None:
    """A batched function captures its variables as arguments of the batching op."""
    module = Weights()

    @tf.nondifferentiable_batch_function(num_batch_threads=1, max_batch_size=8, batch_timeout_micros=10)
    def batched(x: Any) -> Any:
        return x @ module.w + module.b

    save(module, tmp_path / "model", serving_default=lambda x: {"y": batched(x)})
    assert_freezes_signature(tmp_path / "model", tmp_path / "frozen.pb", x=X)


def test_dataset(tmp_path: Path) -> None:
    """A dataset whose function captures a variable is refused, with the path to it."""
    module = Weights()

    def total(x: Any) -> dict[str, Any]:
        rows = tf.data.Dataset.from_tensor_slices(x).map(lambda row: row * module.b)
        return {"y": rows.reduce(tf.zeros(3), lambda state, row: state + row)}

    save(module, tmp_path / "model", serving_default=total)
    with pytest.raises(FreezeError) as caught:
        freeze_file(tmp_path / "model", tmp_path / "frozen.pb")
    assert Reason.UNSUPPORTED_OP == caught.value.reason
    assert "'MapDataset'" in caught.value.message


def test_exported_again(tmp_path: Path) -> None:
    """A SavedModel that was loaded, wrapped and saved again."""
    module = Weights()
    save(module, tmp_path / "inner", serving_default=lambda x: {"y": x @ module.w})
    outer = tf.Module()
    outer.inner = tf.saved_model.load(str(tmp_path / "inner"))
    outer.scale = tf.Variable(3.0)
    save(
        outer,
        tmp_path / "model",
        serving_default=lambda x: {"y": outer.scale * outer.inner.signatures["serving_default"](x=x)["y"]},
    )
    assert_freezes_signature(tmp_path / "model", tmp_path / "frozen.pb", x=X)


def test_variable_of_unknown_shape(tmp_path: Path) -> None:
    """A variable that says nothing of its shape has the shape that was saved."""
    module = tf.Module()
    module.w = tf.Variable(np.ones((3, 2), np.float32), shape=tf.TensorShape(None))
    save(
        module, tmp_path / "model", serving_default=lambda x: {"y": x @ module.w, "w": module.w.read_value()}
    )
    assert_freezes_signature(tmp_path / "model", tmp_path / "frozen.pb", x=X)


def test_distributed_variables(tmp_path: Path) -> None:
    """Variables that were mirrored over devices."""
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        module = Weights()
    save(module, tmp_path / "model", serving_default=lambda x: {"y": x @ module.w + module.b})
    assert_freezes_signature(tmp_path / "model", tmp_path / "frozen.pb", x=X)


def test_composite_inputs(tmp_path: Path) -> None:
    """Ragged inputs of a signature are fed by component."""
    module = Weights()
    module.f = tf.function(
        lambda ragged: {"y": tf.reduce_sum(ragged, axis=1, keepdims=True) * module.b},
        input_signature=[tf.RaggedTensorSpec((None, None), tf.float32)],
    )
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=module.f)
    ragged = tf.ragged.constant([[1.0, 2.0], [], [3.5]])
    expected = module.f(ragged)["y"].numpy()
    frozen = freeze_file(tmp_path / "model", tmp_path / "frozen.pb")
    given = {report.original: report.shape for report in frozen.report.inputs}
    values, splits = sorted(given, key=lambda name: "int" in dtype_of(frozen, name))
    (actual,) = run(frozen, {values: ragged.values.numpy(), splits: ragged.row_splits.numpy()}).values()
    assert_same({"y": expected}, {"y": actual})


def dtype_of(frozen: Any, original: str) -> str:
    """The dtype of an input."""
    return next(report.dtype for report in frozen.report.inputs if report.original == original)


def test_unregistered_op(tmp_path: Path) -> None:
    """An op that TensorFlow here does not know passes through, with its variable frozen."""
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        tf.identity(Variables(use_resource=True).w, name="read")
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver().save(session, str(tmp_path / "model"), write_meta_graph=False)
        definition = graph.as_graph_def()
    definition.node.add(name="y", op="NobodyKnowsThisOp", input=["read"]).attr["T"].type = 1
    (tmp_path / "graph.pb").write_bytes(definition.SerializeToString())
    source = ModelSource(tmp_path / "graph.pb", checkpoint=tmp_path / "model")
    frozen = freeze_file(source, tmp_path / "frozen.pb", FreezeOptions(output_nodes=("y",)))
    assert ["read"] == next(list(node.input) for node in frozen.graph.node if node.name == "y")


SMALL_DTYPES = "qint8 quint8 qint16 quint16 qint32 float8_e4m3fn float8_e5m2 int4 uint4".split()


@pytest.mark.parametrize("dtype", SMALL_DTYPES)
def test_small_dtypes(dtype: str, tmp_path: Path) -> None:
    """Quantised, 8-bit and 4-bit variables are frozen bit by bit."""
    number = tf.dtypes.as_dtype(dtype)
    small = tf.float32 if number.is_floating else tf.int8
    plain = tf.constant([0, 1, 2, 3, 4, 5, 6, 7], {2: tf.int16, 4: tf.int32}.get(number.size, small))
    values = tf.bitcast(plain, number) if number.is_quantized else tf.cast(plain, number)
    prefix = str(tmp_path / "model")
    tf.raw_ops.SaveV2(prefix=prefix, tensor_names=["v"], shape_and_slices=[""], tensors=[values])
    with tf.Graph().as_default() as graph:
        tf.raw_ops.VarHandleOp(dtype=number, shape=[8], shared_name="v", name="v")
        handle = graph.get_tensor_by_name("v:0")
        tf.raw_ops.ReadVariableOp(resource=handle, dtype=number, name="y")
        (tmp_path / "graph.pb").write_bytes(graph.as_graph_def().SerializeToString())
    source = ModelSource(tmp_path / "graph.pb", checkpoint=Path(prefix))
    frozen = freeze_file(source, tmp_path / "frozen.pb", FreezeOptions(output_nodes=("y",)))
    (actual,) = run(frozen, {}).values()
    assert actual.tobytes() == values.numpy().tobytes()
    assert actual.dtype == values.numpy().dtype
