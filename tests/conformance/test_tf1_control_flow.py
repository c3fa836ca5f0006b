"""TF1 graphs with their weights in a checkpoint: frames, switches, ref variables and resource variables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.harness import assert_same, freeze_file, np, run, tf, tf1
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.options import FreezeOptions, ModelSource

pytestmark = pytest.mark.tensorflow
X = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]], np.float32)


@pytest.fixture(autouse=True)
def frames_and_switches() -> Iterator[None]:
    """Build control flow of frames and switches, as TensorFlow 1 did."""
    tf1.disable_control_flow_v2()
    yield
    tf1.enable_control_flow_v2()


class Weights:
    """Three variables, all different."""

    def __init__(self, *, use_resource: bool) -> None:
        def variable(name: str, value: Any) -> Any:
            return tf1.get_variable(name, initializer=np.float32(value), use_resource=use_resource)

        self.w = variable("w", np.arange(9).reshape(3, 3) / 10)
        self.b = variable("b", [0.1, 0.2, 0.3])
        self.table = variable("table", np.arange(12).reshape(4, 3))


def plain(v: Weights, x: Any) -> Any:
    """No control flow."""
    return x @ v.w + v.b


def while_loop(v: Weights, x: Any) -> Any:
    """Variables read inside a loop: a handle, or a value, enters its frame."""
    return tf1.while_loop(lambda i, y: i < 4, lambda i, y: (i + 1, tf.tanh(y @ v.w + v.b)), (0, x))[1]


def nested_loops(v: Weights, x: Any) -> Any:
    """A loop in a loop; the inner one gathers rows."""

    def inner(y: Any) -> Any:
        return tf1.while_loop(lambda j, z: j < 3, lambda j, z: (j + 1, z + tf.gather(v.table, j)), (0, y))[1]

    return tf1.while_loop(lambda i, y: i < 2, lambda i, y: (i + 1, inner(y) * v.b), (0, x))[1]


def cond(v: Weights, x: Any) -> Any:
    """Variables read inside branches: a handle, or a value, is switched."""
    return tf1.cond(tf.reduce_sum(x) > 0, lambda: x @ v.w, lambda: x + v.b)


def cond_in_loop(v: Weights, x: Any) -> Any:
    """A branch inside a loop."""

    def step(i: Any, y: Any) -> Any:
        return i + 1, tf1.cond(i % 2 < 1, lambda: y @ v.w, lambda: y + tf.gather(v.table, i))

    return tf1.while_loop(lambda i, y: i < 4, step, (0, x))[1]


def gathers(v: Weights, x: Any) -> Any:
    """Lookups and shapes."""
    rows = tf1.nn.embedding_lookup(v.table, tf.cast(tf.abs(x[:, 0]), tf.int32))
    return rows + tf.cast(tf.shape(v.table)[0], tf.float32) + tf.gather_nd(v.table, [[3, 1]])


def dynamic_rnn(v: Weights, x: Any) -> Any:
    """A recurrent network over TensorArrays, its weights made inside the loop."""
    sequence = tf.stack([x, x * 2, x - 1, -x], axis=1)
    outputs, state = tf1.nn.dynamic_rnn(
        Cell(3), sequence, sequence_length=[4, 2], dtype=tf.float32, scope="rnn"
    )
    return tf.concat([outputs[:, -1], outputs[:, 1], state], axis=1) + v.b[0]


class Cell:
    """A recurrent cell of one gate."""

    def __init__(self, units: int) -> None:
        self.state_size = self.output_size = units

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """Zeros of [batch_size, units]."""
        return tf.zeros((batch_size, self.state_size), dtype)

    def __call__(self, inputs: Any, state: Any, **_: Any) -> tuple[Any, Any]:
        """The next output and state."""
        kernel = tf1.get_variable("kernel", (6, 3), initializer=tf1.random_uniform_initializer(-1, 1, seed=3))
        following = tf.tanh(tf.concat([inputs, state], 1) @ kernel)
        return following, following


def guarded(v: Weights, x: Any) -> Any:
    """Asserts, prints and no-ops as control dependencies."""
    with tf.control_dependencies(
        [tf1.assert_less(x, 100.0), tf1.print("seen", output_stream="file:///dev/null")]
    ):
        value = tf.identity(v.w)
    with tf.control_dependencies([v.b, tf.group(value, tf1.no_op())]):
        return x @ value


def initialized_value(v: Weights, x: Any) -> Any:
    """`Switch` over whether a variable is initialised: it is."""
    is_initialized = tf1.is_variable_initialized(v.w)
    return x @ tf1.cond(is_initialized, v.w.read_value, lambda: v.w.initial_value)


BODIES = [
    plain,
    while_loop,
    nested_loops,
    cond,
    cond_in_loop,
    gathers,
    dynamic_rnn,
    guarded,
    initialized_value,
]


def assert_freezes(build: Callable[[Any], Any], folder: Path) -> None:
    """The MetaGraph that `build` makes gives, frozen, what the session gave, for two inputs."""
    with tf.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, (None, 3), name="x")
        y = tf.identity(build(x), name="y")
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver().save(session, str(folder / "model"))
        expected = [{"y:0": session.run(y, {x: sign * X})} for sign in (1, -1)]
    source = ModelSource(folder / "model.meta", checkpoint=folder / "model")
    frozen = freeze_file(source, folder / "frozen.pb", FreezeOptions(output_nodes=("y",)))
    assert_same(expected[0], run(frozen, {"x:0": X}))
    assert_same(expected[1], run(frozen, {"x:0": -X}))


@pytest.mark.parametrize("use_resource", [False, True], ids=["ref", "resource"])
@pytest.mark.parametrize("body", BODIES)
def test_control_flow(body: Callable[[Weights, Any], Any], use_resource: bool, tmp_path: Path) -> None:
    """A frozen graph of TensorFlow 1 gives what the session gave, on both sides of its branches."""

    def build(x: Any) -> Any:
        with tf1.variable_scope("model", use_resource=use_resource):
            return body(Weights(use_resource=use_resource), x)

    assert_freezes(build, tmp_path)


def test_ref_ops(tmp_path: Path) -> None:
    """Refs that pass through ref-typed ops become plain values through the plain ops."""

    def build(x: Any) -> Any:
        v = Weights(use_resource=False)
        ref = v.w._ref()
        switched = tf.raw_ops.RefSwitch(data=ref, pred=tf.reduce_sum(x) > 0)
        merged = tf.raw_ops.RefMerge(inputs=[switched.output_false, switched.output_true])
        selected = tf.raw_ops.RefSelect(index=1, inputs=[merged.output, ref])
        entered = tf.raw_ops.RefEnter(
            data=tf.raw_ops.RefIdentity(input=selected), frame_name="f", is_constant=True
        )
        left = tf.raw_ops.RefExit(data=entered)
        return x @ tf.identity(left)

    assert_freezes(build, tmp_path)


@pytest.mark.parametrize("use_resource", [False, True], ids=["ref", "resource"])
def test_partitioned_variables(use_resource: bool, tmp_path: Path) -> None:
    """Slices of a variable are restored from the slices of one key."""

    def build(x: Any) -> Any:
        partitioner = tf1.fixed_size_partitioner(3)
        with tf1.variable_scope("part", partitioner=partitioner, use_resource=use_resource):
            rows = tf1.get_variable("rows", (7, 3), initializer=tf1.random_normal_initializer(seed=1))
            columns = tf1.get_variable(
                "columns",
                (3, 5),
                initializer=tf1.random_normal_initializer(seed=2),
                partitioner=tf1.variable_axis_size_partitioner(32, axis=1),
            )
        return x @ tf.convert_to_tensor(columns) @ tf.ones((5, 3)) + tf1.nn.embedding_lookup(rows, [6, 1])

    assert_freezes(build, tmp_path)


@pytest.mark.parametrize("use_resource", [False, True], ids=["ref", "resource"])
def test_reachable_write_is_an_error(use_resource: bool, tmp_path: Path) -> None:
    """A counter that an output waits for cannot be frozen; cut away, it is no hindrance."""
    with tf.Graph().as_default(), tf1.Session() as session:
        v = Weights(use_resource=use_resource)
        x = tf1.placeholder(tf.float32, (None, 3), name="x")
        before = tf.multiply(x, 2.0, name="before")
        with tf.control_dependencies([tf1.assign_add(v.b, [1.0, 1.0, 1.0])]):
            tf.add(before, v.b, name="y")
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver().save(session, str(tmp_path / "model"))
    source = ModelSource(tmp_path / "model.meta", checkpoint=tmp_path / "model")
    with pytest.raises(FreezeError) as caught:
        freeze_file(source, tmp_path / "frozen.pb", FreezeOptions(output_nodes=("y",)))
    assert Reason.REACHABLE_WRITE == caught.value.reason
    assert "AssignAdd" in caught.value.message
    frozen = freeze_file(source, tmp_path / "frozen.pb", FreezeOptions(output_nodes=("before",)))
    assert_same({"before:0": 2 * X}, run(frozen, {"x:0": X}))


def test_counter_that_nothing_waits_for(tmp_path: Path) -> None:
    """A training step beside the outputs is dropped with its optimizer's slots."""

    def build(x: Any) -> Any:
        v = Weights(use_resource=False)
        y = x @ v.w
        step = tf1.train.get_or_create_global_step()
        tf1.train.AdamOptimizer().minimize(tf.reduce_sum(y), global_step=step)
        return y

    assert_freezes(build, tmp_path)
