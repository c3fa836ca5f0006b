"""Variables get the values that the model's savers restore."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from resolve.support import Resolved, bare, export, failure, np, save, saved_values, tf, tf1
from tffreeze_server.errors import Reason
from tffreeze_server.graph.functions import functions_of
from tffreeze_server.graph.load import load
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.resolve.resolve import Sources
from tffreeze_server.resolve.restore_ops import CheckpointTensor, restored_by

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("graph")]


def variable(name: str, value: Any, *, resource: bool = False, **kwargs: Any) -> Any:
    """A variable of TensorFlow 1."""
    return tf1.get_variable(name, initializer=np.float32(value), use_resource=resource, **kwargs)


def assert_equal(expected: Any, actual: Any) -> None:
    """Same shape, type and elements."""
    np.testing.assert_array_equal(np.asarray(expected), actual, strict=True)


@pytest.mark.parametrize("resource", [False, True])
@pytest.mark.parametrize("version", [tf1.train.SaverDef.V1, tf1.train.SaverDef.V2])
@pytest.mark.parametrize("sharded", [False, True])
def test_a_saver(tmp_path: Path, resource: bool, version: int, sharded: bool) -> None:
    """Ref and resource variables, V1 and V2, one file or several, under a name of the saver's own."""
    variable("a", [1, 2], resource=resource)
    with tf.device("/cpu:0"):
        variable("b", [[3]], resource=resource)
    saver = tf1.train.Saver(name="keeper", write_version=version, sharded=sharded)
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        prefix = save(tmp_path, saver, session)
    found = Resolved(export(tmp_path, saver), prefix)
    assert {"a": ("saver", "a"), "b": ("saver", "b")} == found.keys()
    assert_equal(np.float32([1, 2]), found.array("a"))
    assert_equal(np.float32([[3]]), found.array("b"))


@pytest.mark.parametrize("resource", [False, True])
def test_a_saver_that_renames_wins_over_names(tmp_path: Path, resource: bool) -> None:
    """With moving averages the variable is what the saver says, though the checkpoint has its name too."""
    weight = variable("w", [1.0], resource=resource)
    averages = tf1.train.ExponentialMovingAverage(0.5)
    update = averages.apply([weight])
    with tf1.Session() as session:
        session.run(weight.initializer)
        session.run(tf1.global_variables_initializer())
        session.run(weight.assign([5.0]))
        session.run(update)
        prefix = save(tmp_path, tf1.train.Saver(), session)
    renaming = tf1.train.Saver(averages.variables_to_restore(), name="averaged")
    found = Resolved(export(tmp_path, renaming), prefix, names=("w",))
    assert {"w": ("saver", "w/ExponentialMovingAverage")} == found.keys()
    assert_equal(np.float32([3]), found.array("w"))


def test_swapped_names(tmp_path: Path) -> None:
    """A saver that gives each variable the other's value is believed."""
    a, b = variable("a", [1]), variable("b", [2])
    saver = tf1.train.Saver({"a": b, "b": a})
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        prefix = save(tmp_path, saver, session)
    found = Resolved(export(tmp_path, saver), prefix)
    assert {"a": ("saver", "b"), "b": ("saver", "a")} == found.keys()
    assert_equal(np.float32([1]), found.array("a"))


def test_moving_average_is_taken_where_it_is(tmp_path: Path) -> None:
    """With moving_average the average is taken of each variable that has one, and the source says so."""
    weight, other = variable("w", [1.0]), variable("other", [7.0])
    averages = tf1.train.ExponentialMovingAverage(0.5)
    update = averages.apply([weight])
    saver = tf1.train.Saver()
    with tf1.Session() as session:
        session.run(weight.initializer)
        session.run(tf1.global_variables_initializer())
        session.run(weight.assign([5.0]))
        session.run(update)
        prefix = save(tmp_path, saver, session)
    path = export(tmp_path, saver)
    found = Resolved(path, prefix, names=("w", "other"), moving_average=True)
    assert {
        "w": ("moving_average", "w/ExponentialMovingAverage"),
        "other": ("saver", "other"),
    } == found.keys()
    assert_equal(np.float32([3]), found.array("w"))
    assert {"w": ("saver", "w")} == Resolved(path, prefix, names=("w",)).keys()
    assert other is not None


@pytest.mark.parametrize("kind", ["saver", "collections", "bare"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("resource", [False, True])
def test_partitioned_variables(tmp_path: Path, kind: str, axis: int, resource: bool) -> None:
    """Parts are slices of the whole: by the saver, by the collections, by their siblings' shapes."""
    parts = tf1.get_variable(
        "scope/table",
        shape=(5, 7),
        initializer=tf1.random_uniform_initializer(),
        partitioner=tf1.fixed_size_partitioner(3, axis=axis),
        use_resource=resource,
    )
    saved = tf1.train.Saver()
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        expected = session.run(list(parts))
        prefix = save(tmp_path, saved, session)
    if kind == "saver":
        path = export(tmp_path, saved)
    else:
        path = without_savers(export(tmp_path), keep_collections=kind == "collections")
    found = Resolved(path, prefix)
    source = "saver" if kind == "saver" else "name"
    for index, part in enumerate(expected):
        assert (source, "scope/table") == found.keys()[f"scope/table/part_{index}"]
        assert_equal(part, found.array(f"scope/table/part_{index}"))


def without_savers(path: Path, *, keep_collections: bool) -> Path:
    """A MetaGraph's file without the nodes of savers, and perhaps without collections."""
    meta_graph = tf1.MetaGraphDef.FromString(path.read_bytes())
    kept = [node for node in meta_graph.graph_def.node if not node.name.startswith("save/")]
    del meta_graph.graph_def.node[:]
    meta_graph.graph_def.node.extend(kept)
    meta_graph.ClearField("saver_def")
    if not keep_collections:
        meta_graph.collection_def.clear()
        path.write_bytes(meta_graph.graph_def.SerializeToString())
    else:
        path.write_bytes(meta_graph.SerializeToString())
    return path


def test_several_savers(tmp_path: Path) -> None:
    """The MetaGraph's saver comes first; what it does not restore is looked for in the others."""
    a, b = variable("a", [1]), variable("b", [2])
    first, second = tf1.train.Saver({"x": a}), tf1.train.Saver({"y": b, "z": a})
    prefix = saved_values(tmp_path, {"x": np.float32([1]), "y": np.float32([2]), "z": np.float32([3])})
    for saver in (first, second):
        tf1.add_to_collection(tf1.GraphKeys.SAVERS, saver)
    found = Resolved(export(tmp_path, first), prefix)
    assert {"a": ("saver", "x"), "b": ("saver", "y")} == found.keys()


def test_savers_that_disagree(tmp_path: Path) -> None:
    """Two savers, neither the MetaGraph's, with different keys for a variable: an error that names both."""
    a, b = variable("a", [1]), variable("b", [2])
    first = tf1.train.Saver({"b": b})
    others = [tf1.train.Saver({"x": a}), tf1.train.Saver({"y": a})]
    prefix = saved_values(tmp_path, {"b": np.float32([1]), "x": np.float32([2]), "y": np.float32([3])})
    for saver in others:
        tf1.add_to_collection(tf1.GraphKeys.SAVERS, saver)
    error = failure(export(tmp_path, first), prefix)
    assert Reason.VALUES_DISAGREE == error.reason
    assert "'x'" in error.message
    assert "'y'" in error.message


def test_a_restore_op_given_by_the_caller(tmp_path: Path) -> None:
    """--restore-op is used instead of the MetaGraph's saver, and mends what two savers say."""
    a = variable("a", [1])
    savers = [tf1.train.Saver({"x": a}), tf1.train.Saver({"y": a})]
    prefix = saved_values(tmp_path, {"x": np.float32([1]), "y": np.float32([2])})
    path = export(tmp_path, savers[0])
    restore_op = savers[1].as_saver_def().restore_op_name
    assert {"a": ("saver", "y")} == Resolved(path, prefix, restore_op=restore_op).keys()
    plain = bare(tmp_path)
    assert {"a": ("saver", "y")} == Resolved(plain, prefix, restore_op=restore_op).keys()
    assert Reason.VALUES_DISAGREE == failure(plain, prefix).reason


def test_a_bare_graph_with_a_renaming_saver_is_no_guess(tmp_path: Path) -> None:
    """A GraphDef whose own saver and names give different keys that both exist: an error, mended by the caller."""
    a, b = variable("a", [1]), variable("b", [2])
    saver = tf1.train.Saver({"a": b, "b": a})
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        prefix = save(tmp_path, saver, session)
    path = bare(tmp_path)
    assert Reason.VALUES_DISAGREE == failure(path, prefix).reason
    found = Resolved(path, prefix, restore_op="save/restore_all", filename_tensor="save/Const")
    assert {"a": ("saver", "b"), "b": ("saver", "a")} == found.keys()


@pytest.mark.parametrize("op", ["Restore", "RestoreSlice"])
def test_restore_ops_of_version_one(tmp_path: Path, op: str) -> None:
    """`Restore` and `RestoreSlice` as graphs before 2017 have them."""
    a = tf1.get_variable("a", shape=(2, 2), use_resource=False)
    filename = tf1.placeholder_with_default(tf.constant("model"), (), name="my/filename")
    if op == "Restore":
        value = tf.raw_ops.Restore(file_pattern=filename, tensor_name="key", dt=tf.float32)
        expected, shape = np.float32([[0, 1], [2, 3]]), (2, 2)
    else:
        value = tf.raw_ops.RestoreSlice(
            file_pattern=filename, tensor_name="key", shape_and_slice="3 2 1,2:-", dt=tf.float32
        )
        expected, shape = np.float32([[2, 3], [4, 5]]), (3, 2)
    with tf.control_dependencies([tf1.assign(a, value)]):
        tf.no_op(name="my/restore")
    saved = tf1.get_variable("saved", initializer=np.arange(np.prod(shape), dtype=np.float32).reshape(shape))
    with tf1.Session() as session:
        session.run(saved.initializer)
        prefix = save(tmp_path, tf1.train.Saver({"key": saved}), session)
    found = Resolved(
        bare(tmp_path), prefix, names=("a",), restore_op="my/restore", filename_tensor="my/filename:0"
    )
    assert {"a": ("saver", "key")} == found.keys()
    assert_equal(expected, found.array("a"))


def test_a_saver_that_reshapes(tmp_path: Path) -> None:
    """A saver with reshape=True gives the variable its own shape."""
    a = variable("a", [[1, 2, 3], [4, 5, 6]])
    saver = tf1.train.Saver({"a": a}, reshape=True)
    flat = variable("flat", [1, 2, 3, 4, 5, 6])
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        prefix = save(tmp_path, tf1.train.Saver({"a": flat}), session)
    found = Resolved(export(tmp_path, saver), prefix, names=("a",))
    assert_equal(np.float32([[1, 2, 3], [4, 5, 6]]), found.array("a"))


def test_strings_and_other_types(tmp_path: Path) -> None:
    """String, bool, integer, half, complex and empty variables."""
    values = {
        "text": np.array([b"a", b"", b"\xff\x00"], dtype=object),
        "truth": np.array([True, False]),
        "count": np.int64(7),
        "half": np.float16([[0.5]]),
        "complex": np.complex64([1j]),
        "empty": np.zeros((0, 3), np.float32),
    }
    made = [tf1.get_variable(name, initializer=tf.constant(value)) for name, value in values.items()]
    saver = tf1.train.Saver(made)
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        prefix = save(tmp_path, saver, session)
    found = Resolved(export(tmp_path, saver), prefix)
    for name, value in values.items():
        np.testing.assert_array_equal(value, found.array(name))


def test_a_missing_key_names_the_nearest(tmp_path: Path) -> None:
    """A variable that the checkpoint lacks: the error names the key, the nearest, and the ways out."""
    a = variable("kernel", [1])
    with tf1.Session() as session:
        session.run(a.initializer)
        prefix = save(tmp_path, tf1.train.Saver({"kernels": a}), session)
    error = failure(export(tmp_path, tf1.train.Saver()), prefix)
    assert Reason.VARIABLE_NOT_IN_CHECKPOINT == error.reason
    assert "Did you mean 'kernels'" in error.message
    assert "--deny" in error.message


@pytest.mark.parametrize("value", [np.float32([1, 2, 3]), np.int32([1, 2]), np.float32([[1, 2]])])
def test_another_shape_or_dtype(tmp_path: Path, value: Any) -> None:
    """Shape and dtype must be the graph's; the error has both."""
    variable("a", [1, 2])
    path = export(tmp_path, tf1.train.Saver())
    with tf.Graph().as_default(), tf1.Session() as session:
        other = tf1.get_variable("a", initializer=value)
        session.run(other.initializer)
        prefix = save(tmp_path, tf1.train.Saver(), session)
    error = failure(path, prefix)
    assert Reason.VARIABLE_MISMATCH == error.reason
    assert "float32 and shape [2]" in error.message
    assert f"{value.dtype} and shape {list(value.shape)}" in error.message


def test_an_unknown_shape_takes_the_checkpoints(tmp_path: Path) -> None:
    """A variable made with validate_shape=False has the shape that is saved."""
    a = tf1.Variable(tf1.placeholder_with_default(np.float32([1, 2]), None), validate_shape=False, name="a")
    saver = tf1.train.Saver()
    with tf1.Session() as session:
        session.run(a.initializer)
        prefix = save(tmp_path, saver, session)
    assert (2,) == Resolved(export(tmp_path, saver), prefix).array("a").shape


def test_without_a_checkpoint(tmp_path: Path) -> None:
    """A graph alone asks for a checkpoint; a SavedModel without its variables says what is missing."""
    a = variable("a", [1])
    error = failure(bare(tmp_path), None)
    assert Reason.CHECKPOINT_NEEDED == error.reason
    assert "--checkpoint" in error.message
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        tf1.saved_model.simple_save(session, str(tmp_path / "saved"), {"x": a}, {"a": a})
    assert Reason.CHECKPOINT_NOT_FOUND == failure(tmp_path / "saved", None).reason


def test_a_restore_from_another_file_is_not_this_checkpoint(tmp_path: Path) -> None:
    """A restore op with a file name of its own does not restore from the checkpoint that is given."""
    a = variable("a", [1])
    other = tf.raw_ops.RestoreV2(
        prefix="elsewhere", tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32]
    )
    with tf.control_dependencies([tf1.assign(a, other[0])]):
        tf.no_op(name="restore")
    tf1.placeholder_with_default("model", (), name="name")
    with tf1.Session() as session:
        session.run(a.initializer)
        prefix = save(tmp_path, tf1.train.Saver(), session)
    error = failure(bare(tmp_path), prefix, restore_op="restore", filename_tensor="name")
    assert Reason.UNSUPPORTED_RESTORE == error.reason
    assert "another file" in error.message


def test_a_computed_restore_matters_only_to_who_needs_it(tmp_path: Path) -> None:
    """What becomes of a restored tensor must be known for a needed variable, and for no other."""
    a, b = variable("a", [1]), variable("b", [2])
    name = tf1.placeholder_with_default("model", (), name="name")
    values = tf.raw_ops.RestoreV2(
        prefix=name, tensor_names=["a", "b"], shape_and_slices=["", ""], dtypes=[tf.float32, tf.float32]
    )
    with tf.control_dependencies([tf1.assign(a, tf.sqrt(values[0])), tf1.assign(b, values[1])]):
        tf.no_op(name="restore")
    with tf1.Session() as session:
        session.run([a.initializer, b.initializer])
        prefix = save(tmp_path, tf1.train.Saver(), session)
    path = bare(tmp_path)
    options = {"restore_op": "restore", "filename_tensor": "name:0"}
    assert {"b": ("saver", "b")} == Resolved(path, prefix, names=("b",), **options).keys()
    error = failure(path, prefix, **options)
    assert Reason.UNSUPPORTED_RESTORE == error.reason
    assert "'Sqrt'" in error.message


def test_a_restore_op_of_the_model_that_is_not_there(tmp_path: Path) -> None:
    """A MetaGraph whose saver_def names a node that is gone: an error with the nearest."""
    a = variable("a", [1])
    saver = tf1.train.Saver()
    with tf1.Session() as session:
        session.run(a.initializer)
        prefix = save(tmp_path, saver, session)
    path = export(tmp_path, saver)
    meta_graph = tf1.MetaGraphDef.FromString(path.read_bytes())
    meta_graph.saver_def.restore_op_name = "save_1/restore_all"
    path.write_bytes(meta_graph.SerializeToString())
    error = failure(path, prefix)
    assert Reason.RESTORE_OP_NOT_FOUND == error.reason
    assert "'save/restore_all'" in error.message


def test_what_a_saver_restores_can_be_asked(tmp_path: Path) -> None:
    """`restored_by` gives each variable's key without any checkpoint."""
    saver = tf1.train.Saver({"x": variable("a", [1])})
    model = load(ModelSource(export(tmp_path, saver)), FreezeOptions())
    sources = Sources(model, None, FreezeOptions(), functions_of(model))
    graph = sources.restore_graph(model.savers[0])
    assert {("", "a"): CheckpointTensor("x")} == restored_by(graph, model.savers[0])


def test_a_restore_op_that_restores_nothing(tmp_path: Path) -> None:
    """A node given as the restore op that assigns to no variable is an error, not a reason to go by name."""
    a = variable("a", [1])
    tf.no_op(name="nothing")
    with tf1.Session() as session:
        session.run(a.initializer)
        prefix = save(tmp_path, tf1.train.Saver(), session)
    error = failure(bare(tmp_path), prefix, restore_op="nothing")
    assert Reason.UNSUPPORTED_RESTORE == error.reason
    assert "'nothing'" in error.message
