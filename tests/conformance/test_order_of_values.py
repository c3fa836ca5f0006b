"""Which value a variable or table has once everything has run that a loader runs, in the order it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.harness import assert_freezes_signature, assert_same, config, freeze_file, np, run, tf, tf1
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.options import FreezeOptions, ModelSource

pytestmark = pytest.mark.tensorflow

Build = Callable[[Any], tuple[Any, Any]]
"""Given a session: builds a graph, sets its state, gives what to fetch and the op that a loader runs, if any."""
KEYS = {"keys:0": np.array([1, 2, 3], np.int64)}


def assert_freezes(folder: Path, build: Build, saver: Callable[[], Any] = tf1.train.Saver) -> None:
    """The frozen graph gives what a loader gets that restores, fills tables and runs the op."""
    prefix = str(folder / "ck")
    with tf.Graph().as_default(), tf1.Session(config=config()) as session:
        output, init = build(session)
        saver().save(session, prefix)
    with tf.Graph().as_default(), tf1.Session(config=config()) as session:
        tf1.train.import_meta_graph(f"{prefix}.meta").restore(session, prefix)
        session.run([tf1.tables_initializer(), *([init.name] if init is not None else [])])
        feeds = {name: value for name, value in KEYS.items() if name[:-2] in _names(session)}
        expected = {output.name: session.run(output.name, feeds)}
    options = FreezeOptions(
        output_nodes=(output.op.name,), initializer_nodes=() if init is None else (init.name,)
    )
    source = ModelSource(folder / "ck.meta", checkpoint=folder / "ck")
    frozen = freeze_file(source, folder / "frozen.pb", options)
    assert_same(expected, run(frozen, feeds, [output.name]))


def refused(folder: Path, build: Build, saver: Callable[[], Any] = tf1.train.Saver) -> Reason:
    """The reason of the error that a freeze ends in."""
    with pytest.raises(FreezeError) as caught:
        assert_freezes(folder, build, saver)
    return caught.value.reason


def _names(session: Any) -> set[str]:
    return {operation.name for operation in session.graph.get_operations()}


def set_to(value: Callable[[], Any]) -> Build:
    """A variable that the loader sets to what is computed."""

    def build(session: Any) -> tuple[Any, Any]:
        tensor = value()
        variable = tf1.get_variable("v", initializer=tf.zeros_like(tensor), use_resource=True)
        session.run(tf1.global_variables_initializer())
        return variable.read_value(), tf.group(tf1.assign(variable, tensor))

    return build


NAN = float("nan")


@pytest.mark.parametrize("pick", [tf.maximum, tf.minimum], ids=["maximum", "minimum"])
def test_nan_wins(pick: Any, tmp_path: Path) -> None:
    """The larger and the smaller of a number and NaN are NaN, on whichever side that is."""
    assert_freezes(tmp_path, set_to(lambda: pick(tf.constant([1.0, NAN, 2.0]), tf.constant([NAN, 1.0, 3.0]))))


REFUSED = {
    "floats divided and rounded down": lambda: tf.constant(1.0, tf.float64) // tf.constant(0.1, tf.float64),
    "a float that is no int32": lambda: tf.cast(tf.constant([3e9]), tf.int32),
    "an integer that is rounded twice": lambda: tf.cast(tf.constant(2**60 + 2**36 + 1, tf.int64), tf.float32),
    "packed along another dimension": lambda: tf.raw_ops.Pack(
        values=[tf.constant([1.0, 2.0]), tf.constant([3.0, 4.0])], axis=1
    ),
    "digits cut off": lambda: tf.raw_ops.Cast(
        x=tf.constant([1.1], tf.float64), DstT=tf.float32, Truncate=True
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_computed_as_tensorflow_does_is_refused(case: str, tmp_path: Path) -> None:
    """Arithmetic whose result would differ from TensorFlow's is an error."""
    assert Reason.UNSUPPORTED_INITIALIZER == refused(tmp_path, set_to(REFUSED[case]))


def test_integers_that_fit_are_cast(tmp_path: Path) -> None:
    """A float that fits is cut to an integer, and an integer that fits becomes a float."""
    assert_freezes(tmp_path, set_to(lambda: tf.cast(tf.cast(tf.constant([-3.7, 2.9]), tf.int32), tf.float32)))


@pytest.mark.parametrize("after", [True, False], ids=["after", "before"])
def test_a_buffer_holds_what_it_held_when_it_was_read(after: bool, tmp_path: Path) -> None:
    """A ref variable that is read after an assignment has that value, before it the restored one."""

    def build(session: Any) -> tuple[Any, Any]:
        v = tf1.get_variable("v", initializer=1.0, use_resource=False)
        w = tf1.get_variable("w", initializer=0.0, use_resource=False)
        session.run(tf1.global_variables_initializer())
        if after:
            with tf.control_dependencies([tf1.assign(v, 5.0).op]):
                last = tf1.assign(w, tf.identity(v._ref()))
        else:
            with tf.control_dependencies([tf1.assign(w, tf.identity(v._ref())).op]):
                last = tf1.assign(v, 5.0)
        return tf.identity(w), tf.group(last)

    assert_freezes(tmp_path, build)


def handle_saver(key_of: dict[str, str], then: Callable[[Any], Any] = lambda _: tf.no_op()) -> Any:
    """A saver that restores handles by node from keys, and runs an op after that."""
    graph = tf1.get_default_graph()
    handles = {node: graph.get_tensor_by_name(f"{node}:0") for node in key_of}
    path = tf1.placeholder_with_default("model", [], name="save/Const")
    values = [tf.constant(10.0 * k) for k, _ in enumerate(key_of, 1)]
    keys, whole = list(key_of.values()), [""] * len(key_of)
    saved = tf.raw_ops.SaveV2(prefix=path, tensor_names=keys, shape_and_slices=whole, tensors=values)
    with tf.control_dependencies([saved]):
        done = tf.identity(path, name="save/done")
    restored = tf.raw_ops.RestoreV2(
        prefix=path, tensor_names=keys, shape_and_slices=whole, dtypes=[tf.float32] * len(keys)
    )
    assigned = [
        tf.raw_ops.AssignVariableOp(resource=handle, value=value)
        for handle, value in zip(handles.values(), restored, strict=True)
    ]
    with tf.control_dependencies(assigned):
        last = then(next(iter(handles.values())))
    with tf.control_dependencies([last]):
        restore = tf.no_op(name="save/restore_all")
    return tf1.train.Saver(
        saver_def=tf1.train.SaverDef(
            filename_tensor_name=path.name,
            save_tensor_name=done.name,
            restore_op_name=restore.name,
            version=tf1.train.SaverDef.V2,
        )
    )


def handles(*shared_names: bytes | str) -> Build:
    """Variables of these shared_names, the nodes a, b…; the sum of all with weights."""

    def build(session: Any) -> tuple[Any, Any]:
        reads = []
        for node, shared in zip("abc", shared_names, strict=False):
            handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name=shared, name=node)
            session.run(tf.raw_ops.AssignVariableOp(resource=handle, value=1.0))
            reads.append(tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32))
        return tf.add_n([(10.0**k) * read for k, read in enumerate(reads)]), None

    return build


def test_a_restore_that_also_counts_is_refused(tmp_path: Path) -> None:
    """A saver that changes a variable after it has assigned it is an error: its value is not the key's."""

    def saver() -> Any:
        return handle_saver({"a": "a"}, lambda h: tf.raw_ops.AssignAddVariableOp(resource=h, value=1.0))

    assert Reason.UNSUPPORTED_RESTORE == refused(tmp_path, handles("a"), saver)


def test_handles_without_a_name_are_one_variable(tmp_path: Path) -> None:
    """Two handles without a shared_name are one variable, so two values for them are an error."""
    saver = lambda: handle_saver({"a": "a", "b": "b"})  # noqa: E731
    assert Reason.VALUES_DISAGREE == refused(tmp_path, handles("", ""), saver)


def test_one_handle_without_a_name_is_a_variable(tmp_path: Path) -> None:
    """A single handle without a shared_name is restored as any other."""
    assert_freezes(tmp_path, handles("", "b"), lambda: handle_saver({"a": "a", "b": "b"}))


def test_names_that_are_no_utf8_stay_apart(tmp_path: Path) -> None:
    """Two variables whose shared_names are different bytes, no UTF-8, are two."""
    assert_freezes(tmp_path, handles(b"\xff", b"\xfe"), lambda: handle_saver({"a": "a", "b": "b"}))


@pytest.mark.parametrize("run_by_loader", [True, False], ids=["run", "not run"])
def test_a_restored_table_keeps_what_it_held(run_by_loader: bool, tmp_path: Path) -> None:
    """A table holds what was saved, then what the loader adds; what no loader runs adds nothing."""

    def build(session: Any) -> tuple[Any, Any]:
        v = tf1.get_variable("v", initializer=2.0)
        session.run(v.initializer)
        table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.float32, -1.0, name="t")
        fed = tf1.placeholder(tf.int64, [None])
        session.run(table.insert(fed, tf.cast(fed, tf.float32)), {fed: [1, 2]})
        added = table.insert(tf.constant([2, 3], tf.int64), [20.0, 30.0])
        if run_by_loader:
            tf1.add_to_collection(tf1.GraphKeys.TABLE_INITIALIZERS, added)
        return table.lookup(tf1.placeholder(tf.int64, [None], name="keys")), None

    assert_freezes(tmp_path, build)


def test_a_dense_table_is_restored(tmp_path: Path) -> None:
    """A dense table of a SavedModel holds what its checkpoint says: its keys are a matrix there."""
    module = tf.Module()
    module.table = tf.lookup.experimental.DenseHashTable(tf.int64, tf.float32, 0.5, -1, -2)
    module.table.insert(tf.constant([1, 2], tf.int64), [1.5, 2.5])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="keys")])
    def found(keys: Any) -> Any:
        return {"values": module.table.lookup(keys), "size": module.table.size()}

    tf.saved_model.save(module, str(tmp_path / "model"), signatures=found)
    assert_freezes_signature(tmp_path / "model", tmp_path / "frozen.pb", keys=KEYS["keys:0"])
