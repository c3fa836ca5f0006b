"""`--rename-io` on ends that are no plain Placeholder or result: ref types, and inputs that keep their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conformance.harness import assert_same, freeze_file, np, run, tf, tf1
from tffreeze_server.emit.directory import write_directory
from tffreeze_server.freeze import freeze
from tffreeze_server.inspection.inspect import inspect
from tffreeze_server.options import FreezeOptions, ModelSource

pytestmark = pytest.mark.tensorflow


def tensor_info(tensor: Any, dtype: int | None = None) -> Any:
    """What a signature says of a tensor."""
    info = tf1.saved_model.build_tensor_info(tensor)
    if dtype is not None:
        info.dtype = dtype
    return info


def save_signature(session: Any, folder: Path, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
    """Save the session as a SavedModel with this signature."""
    signature = tf1.saved_model.build_signature_def(inputs, outputs, "tensorflow/serving/predict")
    builder = tf1.saved_model.Builder(str(folder))
    builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
    builder.save()


@pytest.mark.parametrize("as_saved_model", [False, True], ids=["graph", "saved_model"])
@pytest.mark.parametrize("rename_io", [False, True], ids=["plain", "renamed"])
def test_an_output_of_a_ref_type(rename_io: bool, as_saved_model: bool, tmp_path: Path) -> None:
    """A signature whose output is the buffer of a variable: frozen, it is a value, of the base type everywhere."""
    with tf.Graph().as_default(), tf1.Session() as session:
        w = tf1.get_variable("w", initializer=np.float32([1.0, 2.0]), use_resource=False)
        session.run(tf1.global_variables_initializer())
        info = tensor_info(session.graph.get_tensor_by_name("w:0"))
        assert tf.float32._as_ref.as_datatype_enum == info.dtype
        save_signature(session, tmp_path / "model", {}, {"weights": info})
        assert w is not None
    source = ModelSource(tmp_path / "model")
    assert "float32" == inspect(source, FreezeOptions()).signatures[0].outputs[0].dtype
    options = FreezeOptions(rename_io=rename_io)
    if as_saved_model:
        _check_saved_model(source, tmp_path, FreezeOptions(rename_io=rename_io, as_saved_model=True))
        return
    frozen = freeze_file(source, tmp_path / "frozen.pb", options)
    assert ["float32"] == [output.dtype for output in frozen.report.outputs]
    assert ["weights:0" if rename_io else "w:0"] == [output.tensor for output in frozen.report.outputs]
    assert_same({"w:0": np.float32([1.0, 2.0])}, run(frozen, {}))


def _check_saved_model(source: ModelSource, folder: Path, options: FreezeOptions) -> None:
    result = freeze(source, options)
    write_directory(result.plan, folder / "frozen", result.assets)
    with tf.Graph().as_default(), tf1.Session() as session:
        meta_graph = tf1.saved_model.load(session, ["serve"], str(folder / "frozen"))
        info = meta_graph.signature_def["serving_default"].outputs["weights"]
        assert tf.float32.as_datatype_enum == info.dtype
        assert [1.0, 2.0] == session.run(info.name).tolist()


def test_an_input_that_is_no_placeholder_is_told(tmp_path: Path) -> None:
    """It keeps its name, and a warning says which and why; the rest is renamed."""
    with tf.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, (2,), name="fed")
        inner = tf.negative(x, name="inner")
        y = tf.add(inner, 1.0, name="sum")
        infos = [tensor_info(tensor) for tensor in (x, inner, y)]
        save_signature(session, tmp_path / "model", {"x": infos[0], "z": infos[1]}, {"y": infos[2]})
    frozen = freeze_file(tmp_path / "model", tmp_path / "frozen.pb", FreezeOptions(rename_io=True))
    assert {"x": "x:0", "z": "inner:0"} == {i.key: i.tensor for i in frozen.report.inputs}
    (warning,) = frozen.report.warnings
    assert ("NOT_RENAMED", "inner") == (warning.code, warning.subject)
    assert (
        "The input 'z' of the signature 'serving_default' keeps the name 'inner:0' and is not named after its key: "
        "only a Placeholder is renamed, and its op is 'Neg'."
    ) == warning.message


def test_a_key_that_is_an_input_and_an_output_is_told(tmp_path: Path) -> None:
    """The output of an input's key has another name, and so has a Placeholder of two keys."""
    with tf.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, (2,), name="fed")
        both = tf1.placeholder(tf.float32, (2,), name="both")
        y = tf.add(x, both, name="sum")
        infos = [tensor_info(tensor) for tensor in (x, both, y)]
        inputs = {"x": infos[0], "a": infos[1], "b": infos[1]}
        save_signature(session, tmp_path / "model", inputs, {"x": infos[2]})
    frozen = freeze_file(tmp_path / "model", tmp_path / "frozen.pb", FreezeOptions(rename_io=True))
    assert [
        ("NOT_RENAMED", "both", "it has several keys."),
        ("NOT_RENAMED", "both", "it has several keys."),
        ("NOT_RENAMED", "x_output", "another input or output has that name."),
    ] == [(w.code, w.subject, w.message.rpartition(": ")[2]) for w in frozen.report.warnings]
    assert_same({"sum:0": np.float32([4.0, 6.0])}, run(frozen, {"fed:0": [1, 2], "both:0": [3, 4]}))


def test_no_warning_where_it_was_not_asked_for(tmp_path: Path) -> None:
    """Without `--rename-io` no end is missing a name."""
    with tf.Graph().as_default(), tf1.Session() as session:
        inner = tf.negative(tf1.placeholder(tf.float32, (2,), name="fed"), name="inner")
        y = tf.add(inner, 1.0, name="sum")
        save_signature(session, tmp_path / "model", {"z": tensor_info(inner)}, {"y": tensor_info(y)})
    assert () == freeze_file(tmp_path / "model", tmp_path / "frozen.pb").report.warnings
