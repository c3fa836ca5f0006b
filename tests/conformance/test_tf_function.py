"""SavedModels of `tf.Module`: control flow as functions, variables captured on the way, side effects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.harness import assert_freezes_signature, assert_same, freeze_file, np, run, session_of, tf
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.options import FreezeOptions, ModelSource

pytestmark = pytest.mark.tensorflow
X = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]], np.float32)
SPEC = tf.TensorSpec((None, 3), tf.float32, name="x")


class Weights(tf.Module):
    """Three variables, all different."""

    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable(tf.reshape(tf.range(9, dtype=tf.float32), (3, 3)) / 10, name="w")
        self.b = tf.Variable([0.1, 0.2, 0.3], name="b")
        self.table = tf.Variable(tf.reshape(tf.range(12, dtype=tf.float32), (4, 3)), name="table")


def plain(m: Weights, x: Any) -> Any:
    """No control flow."""
    return x @ m.w + m.b


def if_over_variables(m: Weights, x: Any) -> Any:
    """Each branch reads another variable."""
    return tf.cond(tf.reduce_sum(x) > 0, lambda: x @ m.w, lambda: x + m.b)


def while_over_variables(m: Weights, x: Any) -> Any:
    """The body reads one variable, the condition another."""
    _, y = tf.while_loop(
        lambda i, y: tf.cast(i, tf.float32) < m.b[2] * 10, lambda i, y: (i + 1, tf.tanh(y @ m.w)), (0, x)
    )
    return y


def case_over_variables(m: Weights, x: Any) -> Any:
    """Three branches."""
    index = tf.cast(tf.reduce_max(x), tf.int32) % 3
    return tf.switch_case(index, [lambda: x @ m.w, lambda: x * m.b, lambda: x - m.b])


def nested(m: Weights, x: Any) -> Any:
    """An If in a While in a Case; the handles pass through all of them."""

    def step(i: Any, y: Any) -> Any:
        return i + 1, tf.cond(i % 2 == 0, lambda: y @ m.w, lambda: y + m.b)

    def loop() -> Any:
        return tf.while_loop(lambda i, y: i < 4, step, (0, x))[1]

    return tf.switch_case(tf.shape(x)[0] % 2, [loop, lambda: x])


def gathers(m: Weights, x: Any) -> Any:
    """ResourceGather, ResourceGatherNd and the shape of a variable."""
    rows = tf.gather(m.table, tf.cast(tf.abs(x[:, 0]), tf.int32))
    cells = tf.raw_ops.ResourceGatherNd(resource=m.table.handle, indices=[[1, 2], [3, 0]], dtype=tf.float32)
    shape = tf.raw_ops.VariableShape(input=m.table.handle, out_type=tf.int32)
    return rows + tf.reduce_sum(cells) + tf.cast(shape[0], tf.float32)


def gather_in_loop(m: Weights, x: Any) -> Any:
    """ResourceGather in the body of a While."""
    return tf.while_loop(lambda i, y: i < 4, lambda i, y: (i + 1, y + tf.gather(m.table, i)), (0, x))[1]


def map_fn(m: Weights, x: Any) -> Any:
    """A loop over TensorLists."""
    return tf.map_fn(lambda row: tf.reduce_sum(row * m.b), x)


def noinline(m: Weights, x: Any) -> Any:
    """A function that asks to stay one, called twice with different variables."""

    @tf.function(experimental_attributes={"_noinline": True})
    def scaled(value: Any, variable: Any) -> Any:
        return value * tf.reduce_sum(variable)

    return scaled(x, m.w.read_value()) + call_with(x, m)


def call_with(x: Any, m: Weights) -> Any:
    """Un-inlined calls that capture a variable."""

    @tf.function(experimental_attributes={"_noinline": True})
    def shifted(value: Any) -> Any:
        return value + m.b + tf.gather(m.table, 2)

    return shifted(shifted(x))


def compiled(m: Weights, x: Any) -> Any:
    """A function that asks to be compiled."""
    return tf.function(lambda value: tf.nn.relu(value @ m.w), jit_compile=True)(x)


def custom_gradient(m: Weights, x: Any) -> Any:
    """IdentityN, which training leaves behind."""

    @tf.custom_gradient
    def doubled(value: Any) -> Any:
        return 2 * value, lambda upstream: upstream

    return doubled(x) * m.b


def checked(m: Weights, x: Any) -> Any:
    """Asserts and prints that the output waits for."""
    tf.debugging.assert_less(x, 100.0)
    with tf.control_dependencies([tf.print("checked", output_stream="file:///dev/null")]):
        return x @ m.w


def several_reads(m: Weights, x: Any) -> Any:
    """The same variable read in several ways and places."""
    ahead = m.w.read_value()
    with tf.control_dependencies([ahead]):
        return ahead + tf.identity(m.w) @ m.w[:, :1] + m.w.sparse_read([0, 1, 2]) + tf.reduce_sum(x)


@pytest.mark.parametrize(
    "body",
    [
        plain,
        if_over_variables,
        while_over_variables,
        case_over_variables,
        nested,
        gathers,
        gather_in_loop,
        map_fn,
        noinline,
        compiled,
        custom_gradient,
        checked,
        several_reads,
    ],
)
def test_function(body: Callable[[Weights, Any], Any], tmp_path: Path) -> None:
    """A frozen function gives what the function gave, on both sides of its branches."""
    module = Weights()
    save(module, tmp_path / "model", serving_default=lambda x: {"y": body(module, x)})
    for sign in (1, -1):
        assert_freezes_signature(tmp_path / "model", tmp_path / "frozen.pb", x=sign * X)


def save(module: Any, folder: Path, **signatures: Callable[..., Any]) -> None:
    """Save `module` with these signatures of one input `x`."""
    module.functions = {key: tf.function(body, input_signature=[SPEC]) for key, body in signatures.items()}
    tf.saved_model.save(
        module,
        str(folder),
        signatures={key: function.get_concrete_function() for key, function in module.functions.items()},
    )


DTYPES = "float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split()
DTYPES += ["complex64", "complex128"]


def test_variables_of_every_dtype(tmp_path: Path) -> None:
    """Each dtype that a variable may have is frozen bit by bit; so are empty ones and scalars."""
    module = tf.Module()
    module.variables_by_dtype = {
        f"{dtype}_{len(shape)}": tf.Variable(tf.cast(tf.reshape(tf.range(np.prod(shape)), shape), dtype))
        for dtype in DTYPES
        for shape in ((), (3, 2), (0, 4))
    }
    read = {name: variable.read_value for name, variable in module.variables_by_dtype.items()}
    save(
        module, tmp_path / "model", serving_default=lambda x: {name: value() for name, value in read.items()}
    )
    frozen = assert_freezes_signature(tmp_path / "model", tmp_path / "frozen.pb", x=X)
    assert len(read) == len(frozen.report.variables)


def test_string_variable(tmp_path: Path) -> None:
    """Strings of a checkpoint are frozen, empty and binary ones too."""
    module = tf.Module()
    module.words = tf.Variable([b"", b"\x00\xff", b"w" * 300], dtype=tf.string)
    save(module, tmp_path / "model", serving_default=lambda x: {"words": module.words.read_value()})
    assert_freezes_signature(tmp_path / "model", tmp_path / "frozen.pb", x=X)


def test_signatures_share_weights(tmp_path: Path) -> None:
    """Several signatures in one graph hold each weight once."""
    module = Weights()
    save(
        module,
        tmp_path / "model",
        first=lambda x: {"y": x @ module.w},
        second=lambda x: {"y": x @ module.w + module.b},
        third=lambda x: {"y": x * 2.0},
    )
    options = FreezeOptions(signature_keys=("first", "second"))
    frozen = freeze_file(tmp_path / "model", tmp_path / "frozen.pb", options)
    assert ("first", "second") == frozen.report.signature_keys
    assert ["b", "w"] == sorted(variable.name for variable in frozen.report.variables)
    assert frozen.size_bytes < 9 * 4 * 2 + 8000
    inputs = {report.signature_key: report.original for report in frozen.report.inputs}
    actual = run(frozen, {inputs["first"]: X, inputs["second"]: 2 * X})
    keys = {report.original: report.signature_key for report in frozen.report.outputs}
    w, b = module.w.numpy(), module.b.numpy()
    assert_same({"first": X @ w, "second": 2 * X @ w + b}, {keys[name]: y for name, y in actual.items()})


def test_two_names_of_one_variable(tmp_path: Path) -> None:
    """A variable that the object graph reaches by two paths is one variable."""
    module = Weights()
    module.again = [module.w, {"nested": module.w}]
    save(
        module,
        tmp_path / "model",
        serving_default=lambda x: {"y": x @ module.again[0] + module.again[1]["nested"][0]},
    )
    frozen = assert_freezes_signature(tmp_path / "model", tmp_path / "frozen.pb", x=X)
    assert 1 == len(frozen.report.variables)


def test_table_needs_its_initializer(tmp_path: Path) -> None:
    """A lookup table stays; the report names the op that fills it, and a warning says so."""
    module = Weights()
    module.lookup = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(["a", "b"], [1.5, -2.0]), default_value=0.0
    )
    save(
        module,
        tmp_path / "model",
        serving_default=lambda x: {
            "y": module.lookup.lookup(tf.constant(["b", "?"])) + x[0, 0] + module.b[0]
        },
    )
    frozen = assert_freezes_signature(tmp_path / "model", tmp_path / "frozen.pb", x=X)
    assert 1 == len(frozen.report.initializers)
    assert "TABLE_NEEDS_INITIALIZER" in {warning.code for warning in frozen.report.warnings}


def test_random_op_is_reported(tmp_path: Path) -> None:
    """A random op is kept, seeds and all, and a warning names it."""
    module = Weights()
    save(
        module,
        tmp_path / "model",
        serving_default=lambda x: {"y": x + tf.random.uniform((3,), 5.0, 6.0) * 0 + module.b},
    )
    frozen = assert_freezes_signature(tmp_path / "model", tmp_path / "frozen.pb", x=X)
    assert "RANDOM_OP" in {warning.code for warning in frozen.report.warnings}


@pytest.mark.parametrize("through", ["directly", "if", "while"])
def test_reachable_write_is_an_error(through: str, tmp_path: Path) -> None:
    """An output that needs a write to a variable cannot be frozen; the message names variable and write."""
    module = Weights()

    def count(x: Any) -> dict[str, Any]:
        if through == "directly":
            module.b.assign_add([1.0, 1.0, 1.0])
        elif through == "if":
            tf.cond(x[0, 0] > 0, lambda: module.b.assign_add([1.0, 1.0, 1.0]), module.b.read_value)
        else:
            for _ in tf.range(2):
                module.b.assign_add([1.0, 1.0, 1.0])
        return {"y": x + module.b}

    save(module, tmp_path / "model", serving_default=count)
    with pytest.raises(FreezeError) as caught:
        freeze_file(tmp_path / "model", tmp_path / "frozen.pb")
    assert Reason.REACHABLE_WRITE == caught.value.reason
    assert "AssignAddVariableOp" in caught.value.message
    assert not (tmp_path / "frozen.pb").exists()


def test_denied_variable_stays(tmp_path: Path) -> None:
    """A denied variable keeps its reads and writes; the rest is frozen."""
    module = Weights()

    def count(x: Any) -> dict[str, Any]:
        module.b.assign_add([1.0, 1.0, 1.0])
        return {"y": x @ module.w + module.b}

    save(module, tmp_path / "model", serving_default=count)
    frozen = freeze_file(tmp_path / "model", tmp_path / "frozen.pb", FreezeOptions(deny=("b",)))
    assert ("b",) == frozen.report.kept_variables
    assert ["w"] == [variable.name for variable in frozen.report.variables]
    expected = X @ module.w.numpy() + 2.0
    with session_of(frozen) as session:
        handle = next(node.name for node in frozen.graph.node if node.op == "VarHandleOp")
        session.run(
            tf.raw_ops.AssignVariableOp(
                resource=session.graph.get_tensor_by_name(f"{handle}:0"), value=[0.0, 0.0, 0.0]
            )
        )
        (x,), (y,) = frozen.report.inputs, frozen.report.outputs
        session.run(y.tensor, {x.tensor: X})
        assert_same({"y": expected}, {"y": session.run(y.tensor, {x.tensor: X})})


def test_rename_io(tmp_path: Path) -> None:
    """Inputs and outputs may be named after the keys of the signature."""
    module = Weights()
    save(module, tmp_path / "model", serving_default=lambda x: {"y": x @ module.w})
    frozen = freeze_file(
        ModelSource(tmp_path / "model"), tmp_path / "frozen.pb", FreezeOptions(rename_io=True)
    )
    assert ["x:0", "y:0"] == [report.tensor for report in (*frozen.report.inputs, *frozen.report.outputs)]
    expected = X @ module.w.numpy()
    with session_of(frozen) as session:
        assert_same({"y": expected}, {"y": session.run("y:0", {"x:0": X})})
