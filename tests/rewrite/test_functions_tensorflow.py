"""Functions, branches and loops that variables pass through, each frozen and compared with TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rewrite.tf_cases import Variables, X, assert_freezes, noinline, read, tf, tf1

pytestmark = pytest.mark.tensorflow


def flat_sum(value: Any) -> Any:
    """The sum of a value whose shape TensorFlow guesses from one variable of several."""
    return tf.reduce_sum(tf.reshape(value, [-1]))


def calls_with_different_handles(v: Variables, x: Any) -> Any:
    """One function, called with variables of several shapes, and of several types in turn."""
    number = tf1.get_variable("number", initializer=3, use_resource=True)

    @noinline
    def summed(handle: Any) -> Any:
        return tf.reduce_sum(read(handle))

    @noinline
    def chosen(first: Any, second: Any, dtype: Any = tf.float32) -> Any:
        return tf.cast(tf.reduce_sum(read(first, dtype)), tf.float32) * tf.reduce_sum(read(second))

    spec = tf.TensorSpec((), tf.resource)
    summed = summed.get_concrete_function(spec)
    as_floats = chosen.get_concrete_function(spec, spec)
    as_ints = chosen.get_concrete_function(spec, spec, tf.int32)
    return (
        x * summed(v.w.handle)
        + summed(v.b.handle)
        + as_floats(v.b.handle, v.table.handle)
        - as_floats(v.table.handle, v.w.handle)
        + as_ints(number.handle, v.w.handle)
    )


def result_is_the_argument(v: Variables, x: Any) -> Any:
    """A function hands a handle on, twice, with another in between."""

    @noinline
    def handed_on(first: Any, second: Any) -> Any:
        return second, first, second

    spec = tf.TensorSpec((), tf.resource)
    a, b, c = handed_on.get_concrete_function(spec, spec)(v.w.handle, v.b.handle)
    return x @ read(b) + read(a) + read(c)


def branch_gives_a_handle(v: Variables, x: Any) -> Any:
    """Each branch of an If hands on another variable."""
    other = tf1.get_variable("other", initializer=[7.0, 8.0, 9.0], use_resource=True)
    handle = tf.cond(tf.reduce_sum(x) > 2, lambda: v.b.handle, lambda: other.handle)
    return read(handle) + x


def case_gives_handles(v: Variables, x: Any) -> Any:
    """Three branches, two handles each."""
    index = tf.cast(tf.reduce_max(x), tf.int32) % 3
    more = [
        tf1.get_variable(f"more_{k}", initializer=[7.0 + k, 8.0, 9.0], use_resource=True) for k in range(2)
    ]
    first, second = tf.switch_case(
        index,
        [
            lambda: (more[0].handle, v.b.handle),
            lambda: (more[1].handle, more[0].handle),
            lambda: (v.b.handle, v.b.handle),
        ],
    )
    return read(first) - 2.0 * read(second) + x


def loop_swaps_handles(v: Variables, x: Any) -> Any:
    """A loop hands two variables round in turn; their shapes differ."""
    _, a, b = tf.while_loop(
        lambda i, a, b: tf.cast(i, tf.float32) < tf.reduce_max(x),
        lambda i, a, b: (i + 1, b, a),
        (0, v.w.handle, v.b.handle),
        shape_invariants=(tf.TensorShape(()), tf.TensorShape(()), tf.TensorShape(())),
    )
    return flat_sum(read(a)) * x + flat_sum(read(b))


def identity_n_of_handles(v: Variables, x: Any) -> Any:
    """Handles among values in an IdentityN, in a function and outside."""
    w, y, b = tf.raw_ops.IdentityN(input=[v.w.handle, x, v.b.handle])

    def body(i: Any, y: Any) -> Any:
        inner, y = tf.raw_ops.IdentityN(input=[v.w.handle, y])
        return i + 1, y @ read(inner)

    return tf.while_loop(lambda i, y: i < 2, body, (0, y @ read(w) + read(b)))[1]


def three_levels(v: Variables, x: Any) -> Any:
    """A call in an If in a While in a Case, with a gather at the bottom."""

    @noinline
    def row(i: Any) -> Any:
        return tf.gather(v.table, i) + v.b

    def step(i: Any, y: Any) -> Any:
        return i + 1, tf.cond(tf.equal(i % 2, 0), lambda: y + row(i), lambda: y @ v.w)

    def loop() -> Any:
        return tf.while_loop(lambda i, y: i < 4, step, (0, x))[1]

    return tf.switch_case(tf.cast(tf.reduce_sum(x) > 0, tf.int32), [loop, lambda: loop() * v.b])


def batch_gathers(v: Variables, x: Any) -> Any:
    """ResourceGather with batch dimensions, ResourceGatherNd, in a branch too."""

    def gathered() -> Any:
        rows = tf.raw_ops.ResourceGather(
            resource=v.table.handle, indices=[[0, 2], [1, 1], [2, 0], [0, 0]], dtype=tf.float32, batch_dims=1
        )
        cells = tf.raw_ops.ResourceGatherNd(
            resource=v.w.handle, indices=[[[0, 1]], [[2, 2]]], dtype=tf.float32
        )
        return tf.reduce_sum(rows * [1.0, 10.0]) + tf.reduce_sum(cells) * 100

    return gathered() + x + tf.cond(x[0, 0] > 0, gathered, lambda: 0.0)


def shapes_and_states(v: Variables, x: Any) -> Any:
    """VariableShape of both types, VarIsInitializedOp in a condition, a branch and a loop."""
    size = tf.raw_ops.VariableShape(input=v.table.handle, out_type=tf.int64)
    here = tf.raw_ops.VarIsInitializedOp(resource=v.b.handle)
    more = tf.cond(here, lambda: v.b + 1.0, lambda: v.b - 1.0)
    also = tf.cond(x[0, 0] > 0, lambda: tf.raw_ops.VarIsInitializedOp(resource=v.w.handle), lambda: here)
    scale = tf.cast(size[0] * size[1], tf.float32) + tf.cast(also, tf.float32)
    ready = tf.while_loop(
        lambda i, _: i < 2,
        lambda i, _: (i + 1, tf.raw_ops.VarIsInitializedOp(resource=v.w.handle)),
        (0, False),
    )[1]
    return x * scale + more + tf.cast(ready, tf.float32)


def no_results(v: Variables, x: Any) -> Any:
    """A function without results that something waits for, inlined and not."""

    def check() -> None:
        tf.debugging.assert_less(tf.reduce_max(v.b), 100.0)

    noinline(check)()
    with tf.control_dependencies([tf.function(check).get_concrete_function().graph and x]):
        tf.function(check)()
    with tf.control_dependencies(
        [op for op in tf1.get_default_graph().get_operations() if "Call" in op.type]
    ):
        return x + v.b


def scan(v: Variables, x: Any) -> Any:
    """A loop that TensorFlow makes, over lists of tensors."""
    return tf.scan(lambda total, row: total @ v.w + row * v.b, tf.expand_dims(x, 1), tf.zeros((1, 3)))


def vectorized_map(v: Variables, x: Any) -> Any:
    """What `pfor` makes of a body with a variable."""
    return tf.vectorized_map(lambda row: tf.linalg.matvec(v.w, row) + v.b, x)


def tensor_array(v: Variables, x: Any) -> Any:
    """A TensorArray written in a loop that gathers."""

    def step(i: Any, array: Any) -> Any:
        return i + 1, array.write(i, tf.gather(v.table, i) * tf.reduce_sum(x))

    return tf.while_loop(lambda i, _: i < 4, step, (0, tf.TensorArray(tf.float32, 4)))[1].stack()


def map_defun(v: Variables, x: Any) -> Any:
    """A function mapped over rows, a variable captured."""

    @noinline
    def mapped(row: Any, handle: Any) -> Any:
        return row + read(handle)

    function = mapped.get_concrete_function(tf.TensorSpec((3,), tf.float32), tf.TensorSpec((), tf.resource))
    function.add_to_graph(tf1.get_default_graph())
    (y,) = tf.raw_ops.MapDefun(
        arguments=[x],
        captured_inputs=[v.b.handle],
        output_types=[tf.float32],
        output_shapes=[(3,)],
        f=function,
    )
    return y


def batch_function(v: Variables, x: Any) -> Any:
    """A function that is run on batches, a variable captured."""

    @tf.function
    def batched(rows: Any, handle: Any) -> Any:
        return rows @ read(handle)

    function = batched.get_concrete_function(
        tf.TensorSpec((None, 3), tf.float32), tf.TensorSpec((), tf.resource)
    )
    function.add_to_graph(tf1.get_default_graph())
    (y,) = tf.raw_ops.BatchFunction(
        in_tensors=[x],
        captured_tensors=[v.w.handle],
        f=function,
        num_batch_threads=1,
        max_batch_size=2,
        batch_timeout_micros=0,
        Tout=[tf.float32],
    )
    return y


def gradient(v: Variables, x: Any) -> Any:
    """The gradient of a function with a custom one, through a loop."""

    @tf.custom_gradient
    def clipped(value: Any) -> Any:
        return value * 2.0, lambda upstream: tf.clip_by_value(upstream, -1.0, 1.0)

    @tf.function
    def slope(value: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(value)
            y = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, clipped(y @ v.w)), (0, value))[1]
        return tape.gradient(y, value)

    return slope(x)


def same_function_frozen_and_kept(v: Variables, x: Any) -> Any:
    """One function, given a variable that is frozen and one that stays."""

    @noinline
    def summed(handle: Any) -> Any:
        return tf.reduce_sum(read(handle))

    summed = summed.get_concrete_function(tf.TensorSpec((), tf.resource))
    return x * summed(v.w.handle) + summed(v.b.handle)


BODIES = [
    calls_with_different_handles,
    result_is_the_argument,
    branch_gives_a_handle,
    case_gives_handles,
    loop_swaps_handles,
    identity_n_of_handles,
    three_levels,
    batch_gathers,
    shapes_and_states,
    no_results,
    scan,
    vectorized_map,
    tensor_array,
    map_defun,
    batch_function,
    gradient,
    same_function_frozen_and_kept,
]


@pytest.mark.parametrize("body", BODIES)
def test_function(body: Callable[[Variables, Any], Any], tmp_path: Path) -> None:
    """The frozen graph gives what the session gave."""
    assert_freezes(body, tmp_path)


@pytest.mark.parametrize("kept", [{"deny": ("b",)}, {"allow": ("w",)}, {"allow": ("w", "b"), "deny": ("b",)}])
def test_function_with_a_kept_variable(kept: dict[str, tuple[str, ...]], tmp_path: Path) -> None:
    """A function that is given both kinds of variable is there for both."""
    frozen = assert_freezes(same_function_frozen_and_kept, tmp_path, **kept)

    assert ["w"] == [variable.name for variable in frozen.report.variables]
    assert ("b",) == frozen.report.kept_variables


@pytest.mark.parametrize(
    "body", [three_levels, identity_n_of_handles, shapes_and_states, no_results, batch_gathers]
)
def test_everything_kept(body: Callable[[Variables, Any], Any], tmp_path: Path) -> None:
    """With all variables left as they are, the graph runs as before."""
    frozen = assert_freezes(body, tmp_path, feeds=(X,), deny=("w", "b", "table"))

    assert () == frozen.report.variables
