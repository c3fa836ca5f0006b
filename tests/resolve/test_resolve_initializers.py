"""Variables get the values that a loader sets after the restore, and what it sets wins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resolve.support import Resolved, failure, np, tf, tf1
from tffreeze_server.errors import Reason

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("graph")]


def saved_model(
    folder: Path, make_main_op: Callable[[], Any], *, key: str | None = None, initialise: bool = True
) -> Path:
    """A SavedModel of the default graph with a main op, or another init op."""
    with tf1.Session() as session:
        if initialise:
            session.run(tf1.global_variables_initializer())
        main_op = make_main_op()
        builder = tf1.saved_model.Builder(str(folder / "saved"))
        builder.add_meta_graph_and_variables(
            session, ["serve"], main_op=None if key else main_op, **({key: main_op} if key else {})
        )
        builder.save()
    return folder / "saved"


def resolved(path: Path, **options: Any) -> Resolved:
    """A SavedModel with its own checkpoint."""
    return Resolved(path, path / "variables" / "variables", **options)


def run_after_load(path: Path, *names: str) -> list[Any]:
    """The values of variables once TensorFlow has loaded a SavedModel."""
    with tf.Graph().as_default(), tf1.Session() as session:
        tf1.saved_model.load(session, ["serve"], str(path))
        read = {v.op.name: v for v in tf1.global_variables() + tf1.local_variables()}
        return session.run([read[name] for name in names])


def assert_as_loaded(path: Path, *names: str) -> Resolved:
    """The values found are those that TensorFlow's loader leaves."""
    found = resolved(path)
    for name, expected in zip(names, run_after_load(path, *names), strict=True):
        np.testing.assert_array_equal(expected, found.array(name))
        assert ("initializer", "") == found.keys()[name]
    return found


@pytest.mark.parametrize("resource", [False, True])
def test_an_override_wins_over_the_checkpoint(tmp_path: Path, resource: bool) -> None:
    """A main op that assigns a restored variable has the last word; the others stay as restored."""
    a = tf1.get_variable("a", initializer=np.float32([1, 2]), use_resource=resource)
    tf1.get_variable("b", initializer=np.float32(5), use_resource=resource)
    path = saved_model(tmp_path, lambda: tf1.assign(a, [7.0, 8.0]).op)
    found = assert_as_loaded(path, "a")
    assert ("saver", "b") == found.keys()["b"]


def test_local_variables_are_zeroed(tmp_path: Path) -> None:
    """Local variables, which no checkpoint holds, have what local_variables_initializer sets."""
    tf1.get_variable("global", initializer=np.float32(1))
    for resource in (False, True):
        tf1.get_variable(
            f"local{resource}",
            shape=(3, 2),
            dtype=tf.int64,
            initializer=tf1.zeros_initializer(),
            collections=[tf1.GraphKeys.LOCAL_VARIABLES],
            use_resource=resource,
        )
    path = saved_model(tmp_path, tf1.local_variables_initializer)
    assert_as_loaded(path, "localFalse", "localTrue")


def test_a_legacy_init_op(tmp_path: Path) -> None:
    """The init op of older SavedModels counts as well."""
    a = tf1.get_variable("a", initializer=np.float32(1))
    path = saved_model(tmp_path, lambda: tf1.assign(a, 3.0).op, key="legacy_init_op")
    assert_as_loaded(path, "a")


def test_an_initializer_node_of_the_caller(tmp_path: Path) -> None:
    """Nodes that the caller names run after the model's own."""
    a = tf1.get_variable("a", initializer=np.float32(1))
    tf1.assign(a, 4.0, name="warm_up")
    path = saved_model(tmp_path, tf.no_op)
    assert {"a": ("saver", "a")} == resolved(path).keys()
    assert 4.0 == resolved(path, initializer_nodes=("warm_up",)).array("a")


def test_asset_paths(tmp_path: Path) -> None:
    """A string variable set to an asset's path holds the path relative to the model."""
    vocabulary = tmp_path / "words.txt"
    vocabulary.write_text("a\n")
    asset = tf.constant(str(vocabulary), name="asset")
    tf1.add_to_collection(tf1.GraphKeys.ASSET_FILEPATHS, asset)
    path_variable = tf1.get_variable(
        "path", initializer="", dtype=tf.string, collections=[tf1.GraphKeys.LOCAL_VARIABLES]
    )
    tf1.get_variable("w", initializer=np.float32(1))
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        builder = tf1.saved_model.Builder(str(tmp_path / "saved"))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            assets_collection=tf1.get_collection(tf1.GraphKeys.ASSET_FILEPATHS),
            main_op=tf1.assign(path_variable, tf.identity(asset)).op,
        )
        builder.save()
    assert b"assets/words.txt" == resolved(tmp_path / "saved").array("path")


@pytest.mark.parametrize("resource", [False, True])
def test_a_variable_set_from_another(tmp_path: Path, resource: bool) -> None:
    """The value of a restored variable, by reference, becomes another's."""
    a = tf1.get_variable("a", initializer=np.arange(40, dtype=np.float32), use_resource=resource)
    b = tf1.get_variable("b", initializer=np.zeros(40, np.float32), use_resource=resource)
    path = saved_model(tmp_path, lambda: tf1.assign(b, tf.identity(a)).op)
    found = assert_as_loaded(path, "b")
    assert found.bindings["a"].value == found.bindings["b"].value


@pytest.mark.parametrize("control_flow_v2", [False, True])
def test_a_conditional_initial_value(tmp_path: Path, control_flow_v2: bool) -> None:
    """`initialized_value` asks whether the other variable is set: it is, once restored."""
    switch = tf1.enable_control_flow_v2 if control_flow_v2 else tf1.disable_control_flow_v2
    was = tf1.control_flow_v2_enabled()
    switch()
    try:
        a = tf1.get_variable("a", initializer=np.float32([1, 2]), use_resource=False)
        b = tf1.get_variable(
            "b",
            initializer=a.initialized_value(),
            collections=[tf1.GraphKeys.LOCAL_VARIABLES],
            use_resource=False,
        )
        path = saved_model(tmp_path, lambda: b.initializer)
    finally:
        (tf1.enable_control_flow_v2 if was else tf1.disable_control_flow_v2)()
    assert_as_loaded(path, "b")


@pytest.mark.parametrize("control_flow_v2", [False, True])
@pytest.mark.parametrize("taken", [False, True])
def test_a_conditional_assignment(tmp_path: Path, control_flow_v2: bool, taken: bool) -> None:
    """An assignment in a branch of a cond counts where the branch is taken."""
    switch = tf1.enable_control_flow_v2 if control_flow_v2 else tf1.disable_control_flow_v2
    was = tf1.control_flow_v2_enabled()
    switch()
    try:
        a = tf1.get_variable("a", initializer=np.float32(1), use_resource=True)
        condition = tf1.is_variable_initialized(a)
        if not taken:
            condition = tf.logical_not(condition)
        path = saved_model(
            tmp_path,
            lambda: tf.group(
                tf1.cond(condition, lambda: tf.identity(a.assign(9.0)), lambda: tf.constant(0.0))
            ),
        )
    finally:
        (tf1.enable_control_flow_v2 if was else tf1.disable_control_flow_v2)()
    if taken:
        assert_as_loaded(path, "a")
    else:
        assert {"a": ("saver", "a")} == resolved(path).keys()


@pytest.mark.parametrize(
    "compute",
    [
        lambda: tf.fill([2, 3], np.float32(0.1)),
        lambda: tf.zeros([1000, 1000]),
        lambda: tf.ones_like(tf.constant([[1.5, 2]])),
        lambda: tf.stack([tf.constant(1.0), tf.constant(2.0)]) * 3.0,
        lambda: tf.cast(tf.constant([1, -7]), tf.float32) / 3.0,
        lambda: tf.reshape(tf.constant([1.0, 2, 3, 4]), [2, -1]) - 0.5,
        lambda: tf.expand_dims(tf.constant([1.0]), -1) + tf.constant([[0.1]]),
        lambda: tf.cast(tf.shape(tf.zeros([4, 5])), tf.float32),
        lambda: tf.maximum(tf.constant([1.0, -1]), 0.0),
        lambda: tf.constant(1.0, shape=(300, 100)),
        lambda: tf.constant(np.float16([1, 2])),
        lambda: tf.constant(np.random.default_rng(1).random((200, 200), np.float32)),
        lambda: tf.add(tf.constant(np.uint8([200])), tf.constant(np.uint8([100]))),
    ],
)
def test_plain_arithmetic_on_constants(tmp_path: Path, compute: Callable[[], Any]) -> None:
    """Initial values of constants and simple ops are computed as TensorFlow does."""
    tf1.get_variable("w", initializer=np.float32(1))
    value = compute()
    local = tf1.get_variable(
        "v",
        shape=value.shape,
        dtype=value.dtype,
        initializer=tf1.zeros_initializer(),
        collections=[tf1.GraphKeys.LOCAL_VARIABLES],
    )
    # Assigned from the very graph, before TensorFlow could fold it away.
    path = saved_model(tmp_path, lambda: tf1.assign(local, value).op)
    assert_as_loaded(path, "v")


def test_what_cannot_be_read_as_data(tmp_path: Path) -> None:
    """A value computed otherwise is an error with the op and the way; only if it is needed."""
    a = tf1.get_variable("a", initializer=np.float32([1, 2]))
    tf1.get_variable("b", initializer=np.float32(1))
    value = tf.sqrt(tf.constant([1.0, 2]) * 2.0)
    path = saved_model(tmp_path, lambda: tf1.assign(a, tf.identity(value)).op)
    error = failure(path, path / "variables" / "variables")
    assert Reason.UNSUPPORTED_INITIALIZER == error.reason
    assert " ← 'Identity' ← 'Sqrt'" in error.message
    assert {"b": ("saver", "b")} == resolved(path, names=("b",)).keys()


def test_random_numbers_do_not_replace_what_was_trained(tmp_path: Path) -> None:
    """A restored variable that the loader would set to random numbers stays restored, and the binding says so."""
    a = tf1.get_variable("a", initializer=np.float32([1, 2]))
    path = saved_model(tmp_path, lambda: tf1.assign(a, tf.random.uniform([2]) * 2.0, name="set").op)
    found = resolved(path)
    assert {"a": ("saver", "a")} == found.keys()
    assert "set" == found.bindings["a"].random_initializer


def test_random_numbers_alone_are_no_value(tmp_path: Path) -> None:
    """A variable that nothing but random numbers sets has no value to freeze."""
    tf1.get_variable("a", initializer=np.float32(1))
    tf1.get_variable(
        "b",
        shape=(2,),
        initializer=tf1.random_uniform_initializer(),
        collections=[tf1.GraphKeys.LOCAL_VARIABLES],
    )
    path = saved_model(tmp_path, tf1.local_variables_initializer)
    error = failure(path, path / "variables" / "variables")
    assert Reason.UNSUPPORTED_INITIALIZER == error.reason
    assert "'RandomUniform'" in error.message


def test_another_write_than_an_assignment(tmp_path: Path) -> None:
    """A counter that the loader counts up is an error, not the restored value."""
    a = tf1.get_variable("a", initializer=np.float32(1), use_resource=True)
    path = saved_model(tmp_path, lambda: tf1.assign_add(a, 1.0).op)
    error = failure(path, path / "variables" / "variables")
    assert Reason.UNSUPPORTED_INITIALIZER == error.reason
    assert "'AssignAddVariableOp'" in error.message


@pytest.mark.parametrize(("second", "ordered"), [(3.0, True), (2.0, False), (4.0, False)])
def test_two_assignments(tmp_path: Path, second: float, ordered: bool) -> None:
    """Of two assignments the later counts; in no order they must be equal."""
    a = tf1.get_variable("a", initializer=np.float32(1))
    first = tf1.assign(a, 2.0)
    with tf.control_dependencies([first] if ordered else []):
        path = saved_model(tmp_path, lambda: tf.group(first, tf1.assign(a, second)))
    if second == 4.0:
        assert Reason.VALUES_DISAGREE == failure(path, path / "variables" / "variables").reason
    else:
        assert_as_loaded(path, "a")


def test_a_graph_that_was_never_initialised(tmp_path: Path) -> None:
    """Initial values of a training graph that nothing runs are no values."""
    tf1.get_variable("a", initializer=np.float32(1))
    b = tf1.get_variable("b", initializer=np.float32(1), collections=[tf1.GraphKeys.LOCAL_VARIABLES])
    path = saved_model(tmp_path, tf.no_op)
    error = failure(path, path / "variables" / "variables")
    assert Reason.VARIABLE_NOT_IN_CHECKPOINT == error.reason
    assert "'b'" in error.message
    assert b is not None


def test_a_wrong_shape_after_the_restore(tmp_path: Path) -> None:
    """A value of another shape than the variable's is an error."""
    a = tf1.get_variable("a", initializer=np.float32([1, 2]), use_resource=False)
    path = saved_model(tmp_path, lambda: tf1.assign(a, [1.0], validate_shape=False).op)
    assert Reason.VARIABLE_MISMATCH == failure(path, path / "variables" / "variables").reason
