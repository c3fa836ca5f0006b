"""Build a graph with TensorFlow, freeze it, and see that it gives the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from conformance.harness import Frozen, assert_same, config, freeze_file, np, run, session_of, tf, tf1
from tffreeze_server.options import FreezeOptions, ModelSource

W = np.arange(9, dtype=np.float32).reshape(3, 3) / 10
B = np.float32([0.5, -1.0, 2.0])
TABLE = np.arange(12, dtype=np.float32).reshape(4, 3)
X = np.float32([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])


class Variables:
    """Variables of a graph: a matrix, a vector, a table; all are resources, or all are refs."""

    def __init__(self, *, use_resource: bool = True) -> None:
        self.w = tf1.get_variable("w", initializer=W, use_resource=use_resource)
        self.b = tf1.get_variable("b", initializer=B, use_resource=use_resource)
        self.table = tf1.get_variable("table", initializer=TABLE, use_resource=use_resource)


def read(handle: Any, dtype: Any = tf.float32) -> Any:
    """The value of a variable, by its handle."""
    return tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype)


def build_and_save(
    build: Callable[[Variables, Any], Any], folder: Path, feeds: Iterable[Any], *, use_resource: bool
) -> list[Any]:
    """Save `y = build(variables, x)` as a MetaGraph with its checkpoint; what it gives for each feed of x."""
    with tf.Graph().as_default(), tf1.Session(config=config()) as session:
        x = tf1.placeholder(tf.float32, (None, 3), name="x")
        tf.identity(build(Variables(use_resource=use_resource), x), name="y")
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver().save(session, str(folder / "model"))
        return [session.run("y:0", {"x:0": value}) for value in feeds]


def assert_freezes(
    build: Callable[[Variables, Any], Any],
    folder: Path,
    *,
    feeds: Iterable[Any] = (X, -X),
    use_resource: bool = True,
    **options: Any,
) -> Frozen:
    """The frozen graph of `y = build(variables, x)` gives what the session gave, for each feed."""
    feeds = list(feeds)
    expected = build_and_save(build, folder, feeds, use_resource=use_resource)
    source = ModelSource(folder / "model.meta", checkpoint=folder / "model")
    frozen = freeze_file(source, folder / "frozen.pb", FreezeOptions(output_nodes=("y",), **options))
    if frozen.report.kept_variables:
        values = {"w": W, "b": B, "table": TABLE}
        with session_of(frozen) as session:
            for name in frozen.report.kept_variables:
                set_variable(session, name, values[name])
            for value, y in zip(feeds, expected, strict=True):
                assert_same({"y:0": y}, {"y:0": session.run("y:0", {"x:0": value})})
    else:
        for value, y in zip(feeds, expected, strict=True):
            assert_same({"y:0": y}, run(frozen, {"x:0": value}))
    return frozen


def set_variable(session: Any, node: str, value: Any) -> None:
    """Give a variable of an imported graph its value."""
    handle = session.graph.get_tensor_by_name(f"{node}:0")
    if handle.dtype == tf.resource:
        session.run(tf.raw_ops.AssignVariableOp(resource=handle, value=value))
    else:
        session.run(tf1.assign(handle, value))


def noinline(function: Callable[..., Any]) -> Any:
    """A function that asks to stay one."""
    return tf.function(function, experimental_attributes={"_noinline": True}, autograph=False)


def save_module(
    module: Any, folder: Path, specs: Mapping[str, Any], **signatures: Callable[..., Any]
) -> Mapping[str, Any]:
    """Save a module with signatures that take `specs`; what stands for each when it is called."""
    functions = {
        key: tf.function(body, input_signature=list(specs.values())) for key, body in signatures.items()
    }
    module.functions = functions
    concrete = {key: function.get_concrete_function() for key, function in functions.items()}
    tf.saved_model.save(module, str(folder), signatures=concrete)
    return functions
