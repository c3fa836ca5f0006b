"""Checkpoints and SavedModels that TensorFlow 2 writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from resolve.support import Resolved, bare, failure, np, tf, tf1
from tffreeze_server.errors import Reason

pytestmark = pytest.mark.tensorflow


def graph_with_variable(folder: Path, name: str, size: int) -> Path:
    """A GraphDef with one variable."""
    with tf.Graph().as_default():
        tf1.get_variable(name, shape=(size,), use_resource=True)
        return bare(folder)


def test_a_saved_model_of_tensorflow_two(tmp_path: Path) -> None:
    """The restore function of a TF2 SavedModel is read, whatever the variables are called."""
    module = tf.Module()
    module.w = tf.Variable([1.0, 2.0], name="same")
    module.inner = tf.Module()
    module.inner.w = tf.Variable([[3.0]], name="same")
    module.f = tf.function(lambda x: x * module.w + module.inner.w, [tf.TensorSpec((2,))])
    tf.saved_model.save(module, str(tmp_path), module.f)
    found = Resolved(tmp_path, tmp_path / "variables" / "variables")
    arrays = {key: found.array(name).tolist() for name, (_, key) in found.keys().items()}
    assert {
        "w/.ATTRIBUTES/VARIABLE_VALUE": [1.0, 2.0],
        "inner/w/.ATTRIBUTES/VARIABLE_VALUE": [[3.0]],
    } == arrays


def test_a_graph_with_an_object_based_checkpoint(tmp_path: Path) -> None:
    """No saver, no key of its name: the checkpoint's object graph knows the variable by its full name."""
    kernel = tf.Variable([1.0, 2.0], name="dense/kernel")
    checkpoint = tf.train.Checkpoint(layer=tf.train.Checkpoint(kernel=kernel))
    prefix = Path(checkpoint.write(str(tmp_path / "objects")))
    found = Resolved(graph_with_variable(tmp_path, "dense/kernel", 2), prefix)
    assert {"dense/kernel": ("object_graph", "layer/kernel/.ATTRIBUTES/VARIABLE_VALUE")} == found.keys()
    np.testing.assert_array_equal(np.float32([1, 2]), found.array("dense/kernel"))


def test_an_object_graph_with_two_of_a_name(tmp_path: Path) -> None:
    """Two objects of one full name: an error that lists their keys."""
    checkpoint = tf.train.Checkpoint(a=tf.Variable([1.0], name="same"), b=tf.Variable([2.0], name="same"))
    prefix = Path(checkpoint.write(str(tmp_path / "objects")))
    error = failure(graph_with_variable(tmp_path, "same", 1), prefix)
    assert Reason.VALUES_DISAGREE == error.reason
    assert "'a/.ATTRIBUTES/VARIABLE_VALUE', 'b/.ATTRIBUTES/VARIABLE_VALUE'" in error.message
