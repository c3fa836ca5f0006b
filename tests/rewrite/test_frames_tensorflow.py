"""Loops and branches of TensorFlow 1 around variables and calls: frames, and tensors that are dead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.harness import assert_same, freeze_file, run
from rewrite.tf_cases import B, Variables, W, X, assert_freezes, build_and_save, noinline, read, tf, tf1
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.options import FreezeOptions, ModelSource

pytestmark = pytest.mark.tensorflow


@pytest.fixture(autouse=True)
def frames_and_switches() -> Iterator[None]:
    """Build control flow of frames and switches, as TensorFlow 1 did."""
    tf1.disable_control_flow_v2()
    yield
    tf1.enable_control_flow_v2()


def call_in_a_branch(_: Variables, x: Any) -> Any:
    """A function that gives a constant whatever it is given."""

    @tf.function(autograph=False)
    def seven(value: Any) -> Any:
        del value
        return tf.constant(7.0)

    return tf1.cond(tf.reduce_sum(x) > 0, lambda: x * seven(x), lambda: x - seven(x))


def initialized_in_a_branch(v: Variables, x: Any) -> Any:
    """Whether a variable is initialised is told in one branch only."""
    yes = tf1.cond(
        tf.reduce_sum(x) > 0,
        lambda: tf.raw_ops.VarIsInitializedOp(resource=v.b.handle),
        lambda: tf.constant(value=False),
    )
    return x + tf.cast(yes, tf.float32)


def call_in_a_loop(v: Variables, x: Any) -> Any:
    """A function with constants and variables of its own, called in a loop in a loop."""

    @tf.function(autograph=False)
    def step(y: Any, k: Any) -> Any:
        ones = tf.ones((3,))
        return y @ v.w + tf.gather(v.table, k) + ones + tf.cast(tf.range(3), tf.float32)

    def inner(y: Any) -> Any:
        return tf1.while_loop(lambda j, z: j < 2, lambda j, z: (j + 1, step(z, j)), (0, y))[1]

    return tf1.while_loop(lambda i, y: i < 2, lambda i, y: (i + 1, inner(y)), (0, x))[1]


def loop_in_a_function(v: Variables, x: Any) -> Any:
    """A function that stays one, with a loop of frames that gathers, tells shapes and states."""

    @noinline
    def looped(y: Any) -> Any:
        def step(i: Any, z: Any) -> Any:
            here = tf.raw_ops.VarIsInitializedOp(resource=v.b.handle)
            rows = tf.raw_ops.VariableShape(input=v.table.handle, out_type=tf.int32)
            return i + 1, z + tf.gather(v.table, i) * tf.cast(rows[0], tf.float32) + tf.cast(here, tf.float32)

        return tf1.while_loop(lambda i, _: i < 3, step, (0, y))[1]

    return looped(x)


def handles_go_round(v: Variables, x: Any) -> Any:
    """Handles are loop variables, switched and merged, and change places."""
    other = tf1.get_variable("other", initializer=[7.0, 8.0, 9.0], use_resource=True)

    def step(i: Any, y: Any, a: Any, b: Any) -> Any:
        chosen = tf1.cond(i % 2 > 0, lambda: tf.identity(a), lambda: tf.identity(b))
        return i + 1, tf.reshape(y * 2.0 + read(chosen), (-1, 3)), b, a

    return tf1.while_loop(lambda i, y, a, b: i < 3, step, (0, x, v.b.handle, other.handle))[1]


def variable_in_the_body(v: Variables, x: Any) -> Any:
    """A function names a variable by itself and is called in a loop and in a branch."""

    @tf.function(autograph=False)
    def shifted(value: Any) -> Any:
        handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=(3,), shared_name="b", container="")
        return value + read(handle)

    looped = tf1.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, shifted(y)), (0, x))[1]
    branched = tf1.cond(tf.reduce_sum(x) > 0, lambda: shifted(x), lambda: x)
    return looped + branched + v.b


def scalar_of_a_branch(v: Variables, x: Any) -> Any:
    """A branch in a branch in a loop: constants on every level."""

    def step(i: Any, y: Any) -> Any:
        def both() -> Any:
            return tf1.cond(i > 1, lambda: v.b * 2.0, lambda: tf.constant([1.0, 2.0, 3.0]))

        return i + 1, y + tf1.cond(tf.reduce_sum(y) > 0, both, lambda: v.w[0])

    return tf1.while_loop(lambda i, _: i < 3, step, (0, x))[1]


@pytest.mark.parametrize(
    "body",
    [
        call_in_a_branch,
        initialized_in_a_branch,
        call_in_a_loop,
        loop_in_a_function,
        handles_go_round,
        variable_in_the_body,
        scalar_of_a_branch,
    ],
)
def test_frames(body: Callable[[Variables, Any], Any], tmp_path: Path) -> None:
    """The frozen graph gives what the session gave."""
    assert_freezes(body, tmp_path)


def test_a_constant_of_a_call_is_dead_with_it(tmp_path: Path) -> None:
    """In the branch that is not taken a call gives nothing, not even a constant (TensorFlow's inliner lets it)."""

    @tf.function(autograph=False)
    def seven(value: Any) -> Any:
        del value
        return tf.constant(7.0)

    def build(v: Variables, x: Any) -> Any:
        return x + tf1.cond(tf.reduce_sum(x) > 0, lambda: seven(x), lambda: tf.constant(1.0)) * v.b

    build_and_save(build, tmp_path, (), use_resource=True)
    source = ModelSource(tmp_path / "model.meta", checkpoint=tmp_path / "model")
    frozen = freeze_file(source, tmp_path / "frozen.pb", FreezeOptions(output_nodes=("y",)))

    assert_same({"y:0": X + 7 * B}, run(frozen, {"x:0": X}))
    assert_same({"y:0": -X + B}, run(frozen, {"x:0": -X}))


def refs_by_value(v: Variables, x: Any) -> Any:
    """Refs given to ops that take values: branches, predicates, indices, several at once."""
    flag = tf1.get_variable("flag", initializer=True, use_resource=False)
    index = tf1.get_variable("index", initializer=1, use_resource=False)

    ref = v.w._ref()
    switched = tf.raw_ops.RefSwitch(data=ref, pred=flag._ref())
    chosen = tf.raw_ops.RefSelect(index=index._ref(), inputs=[ref, ref])
    plain = tf.raw_ops.Switch(data=v.b._ref(), pred=flag._ref())
    both = tf.raw_ops.IdentityN(input=[v.b._ref(), x])
    return x @ tf.identity(chosen) + x @ switched.output_true + plain.output_true + both[0]


def gathers_by_ref(_: Variables, x: Any) -> Any:
    """A resource gathered from by indices that are a ref."""
    rows = tf1.get_variable("rows", initializer=[0, 2], use_resource=False)
    table = tf1.get_variable("more", initializer=W, use_resource=True)
    return x + tf.raw_ops.ResourceGather(resource=table.handle, indices=rows._ref(), dtype=tf.float32)


@pytest.mark.parametrize("body", [refs_by_value, gathers_by_ref])
def test_refs(body: Callable[[Variables, Any], Any], tmp_path: Path) -> None:
    """A ref is a value to whatever does not ask for the buffer."""
    assert_freezes(body, tmp_path, use_resource=False)


def test_frozen_and_kept_may_not_meet_in_a_loop(tmp_path: Path) -> None:
    """A loop that hands round one variable that is frozen and one that stays cannot be."""
    with pytest.raises(FreezeError) as caught:
        assert_freezes(handles_go_round, tmp_path, deny=("other",))

    assert Reason.UNSUPPORTED_OP is caught.value.reason


def two_nodes_of_one_variable(v: Variables, x: Any) -> Any:
    """A second handle of the same name; one of another container is another variable."""
    again = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=(3,), shared_name="b", container="", name="again")
    return x + read(again) * 2.0 + v.b


def test_two_nodes_of_one_variable(tmp_path: Path) -> None:
    """Both give the value, which is there once."""
    frozen = assert_freezes(two_nodes_of_one_variable, tmp_path)

    assert ["b"] == [variable.name for variable in frozen.report.variables]
    constants = [
        n
        for n in frozen.graph.node
        if n.op == "Const" and n.attr["value"].tensor.tensor_content == B.tobytes()
    ]
    assert 1 == len(constants)
    assert X.shape[1:] == B.shape
