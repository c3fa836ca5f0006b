"""Variables that stay (`--deny`, `--allow`): they are read and written as before, wherever that is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.harness import assert_same, freeze_file, session_of
from rewrite.tf_cases import B, W, X, noinline, save_module, set_variable, tf
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.options import FreezeOptions

pytestmark = pytest.mark.tensorflow
SPECS = {"x": tf.TensorSpec((None, 3), tf.float32, name="x")}


class Counted(tf.Module):
    """Weights, and a counter of type float."""

    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable(W, name="w")
        self.b = tf.Variable(B, name="b")
        self.count = tf.Variable(0.0, name="count")


def plainly(m: Counted, x: Any) -> Any:
    """Nothing reads the result of the write."""
    m.count.assign_add(1.0)
    return x @ m.w


def in_a_branch(m: Counted, x: Any) -> Any:
    """The write is in a branch."""
    tf.cond(tf.reduce_sum(x) > 0, lambda: m.count.assign_add(1.0), lambda: m.count.assign_add(10.0))
    return x @ m.w


def in_a_loop(m: Counted, x: Any) -> Any:
    """The write is in a loop, the frozen weight in the same."""

    def step(i: Any, y: Any) -> Any:
        m.count.assign_add(1.0)
        return i + 1, y @ m.w

    return tf.while_loop(lambda i, _: i < 3, step, (0, x))[1]


def in_a_function(m: Counted, x: Any) -> Any:
    """The write is in a function that stays one, in a branch."""

    @noinline
    def counted(y: Any) -> Any:
        m.count.assign_add(1.0)
        return y @ m.w + m.b

    return tf.cond(tf.reduce_sum(x) > 0, lambda: counted(x), lambda: x)


def before_and_after(m: Counted, x: Any) -> Any:
    """Reads before and after the write give different values, in a function of its own too."""
    before = m.count.read_value()

    @tf.function
    def bump(by: Any) -> Any:
        m.count.assign(m.count * 2.0 + by)
        return m.count.read_value()

    after = bump(tf.constant(3.0))
    m.count.assign_sub(1.0)
    return x @ m.w + before + after * 100.0


@pytest.mark.parametrize("body", [plainly, in_a_branch, in_a_loop, in_a_function, before_and_after])
def test_a_kept_variable_is_written_as_before(body: Callable[[Counted, Any], Any], tmp_path: Path) -> None:
    """Two runs give what two calls gave, and leave the variable as they left it."""
    module = Counted()
    functions = save_module(
        module, tmp_path / "model", SPECS, serving_default=lambda x: {"y": body(module, x)}
    )
    frozen = freeze_file(tmp_path / "model", tmp_path / "frozen.pb", FreezeOptions(deny=("count",)))

    expected = []
    for value in (X, -X):
        y = functions["serving_default"](tf.constant(value))["y"].numpy()
        expected.append({"y": y, "count": module.count.numpy()})

    assert ("count",) == frozen.report.kept_variables
    (x,), (y,) = frozen.report.inputs, frozen.report.outputs
    with session_of(frozen) as session:
        handle = next(n.name for n in frozen.graph.node if n.op == "VarHandleOp")
        set_variable(session, handle, 0.0)
        tensor = session.graph.get_tensor_by_name(f"{handle}:0")
        count = tf.raw_ops.ReadVariableOp(resource=tensor, dtype=tf.float32)
        for value, want in zip((X, -X), expected, strict=True):
            given = session.run(y.tensor, {x.tensor: value})
            assert_same(want, {"y": given, "count": session.run(count)})


@pytest.mark.parametrize("body", [in_a_branch, in_a_loop, in_a_function, before_and_after])
def test_a_written_variable_is_not_frozen(body: Callable[[Counted, Any], Any], tmp_path: Path) -> None:
    """The error names the way from the output, through the functions, to the write, and how to keep it."""
    module = Counted()
    save_module(module, tmp_path / "model", SPECS, serving_default=lambda x: {"y": body(module, x)})
    with pytest.raises(FreezeError) as caught:
        freeze_file(tmp_path / "model", tmp_path / "frozen.pb")

    assert (Reason.REACHABLE_WRITE, "count") == (caught.value.reason, caught.value.subject)
    assert "--deny count" in caught.value.message
    assert "← " in caught.value.message
