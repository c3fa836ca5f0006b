"""What a saver says of its checkpoint: renamed keys, shards, formats, names, several savers, none at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.harness import assert_same, config, freeze_file, np, run, tf, tf1
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.options import FreezeOptions, ModelSource

pytestmark = pytest.mark.tensorflow
X = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]], np.float32)
OUTPUT = FreezeOptions(output_nodes=("y",))
V1, V2 = tf1.train.SaverDef.V1, tf1.train.SaverDef.V2


def model(*, use_resource: bool = False, device: str = "/cpu:0") -> tuple[Any, list[Any]]:
    """`y = x·w + b` of placeholder `x`; the second variable on `device`."""
    x = tf1.placeholder(tf.float32, (None, 3), name="x")
    w = tf1.get_variable(
        "w", initializer=np.arange(9, dtype=np.float32).reshape(3, 3), use_resource=use_resource
    )
    with tf.device(device):
        b = tf1.get_variable("b", initializer=np.float32([0.1, 0.2, 0.3]), use_resource=use_resource)
    return tf.add(x @ w, b, name="y"), [w, b]


def assert_y(source: ModelSource, folder: Path, expected: Any, **options: Any) -> None:
    """The frozen graph gives `expected` for X, without `x`'s device mattering."""
    frozen = freeze_file(
        source, folder / "frozen.pb", FreezeOptions(output_nodes=("y",), clear_devices=True, **options)
    )
    assert_same({"y:0": expected}, run(frozen, {"x:0": X}))


@pytest.mark.parametrize("use_resource", [False, True], ids=["ref", "resource"])
@pytest.mark.parametrize("sharded", [False, True], ids=["whole", "sharded"])
@pytest.mark.parametrize("version", [V1, V2], ids=["V1", "V2"])
@pytest.mark.parametrize("kind", ["meta_graph", "graph_def", "graph_text"])
def test_formats(kind: str, version: Any, sharded: bool, use_resource: bool, tmp_path: Path) -> None:
    """Both formats, whole and in shards of two devices, for a MetaGraph and for a bare graph."""
    with tf.Graph().as_default() as graph, tf1.Session(config=config(cpus=2)) as session:
        y, _ = model(use_resource=use_resource, device="/cpu:1")
        session.run(tf1.global_variables_initializer())
        saver = tf1.train.Saver(write_version=version, sharded=sharded)
        prefix = saver.save(session, str(tmp_path / "model")).removesuffix("-?????-of-00002")
        tf1.train.write_graph(graph.as_graph_def(), str(tmp_path), "graph.pb", as_text=False)
        tf1.train.write_graph(graph.as_graph_def(), str(tmp_path), "graph.pbtxt")
        expected = session.run(y, {"x:0": X})
    shards = [path.name for path in tmp_path.glob("model*-of-0000*")]
    assert (2 if sharded else int(version == V2)) == len(shards)
    names = {"meta_graph": "model.meta", "graph_def": "graph.pb", "graph_text": "graph.pbtxt"}
    assert_y(ModelSource(tmp_path / names[kind], checkpoint=Path(prefix)), tmp_path, expected)


@pytest.mark.parametrize(
    "checkpoint", ["model-7", "model-7.index", "model-7.meta", "model-7.data-00000-of-00001", "."]
)
def test_ways_to_name_a_checkpoint(checkpoint: str, tmp_path: Path) -> None:
    """A checkpoint is named by its prefix, by any of its files, or by its directory."""
    with tf.Graph().as_default(), tf1.Session() as session:
        y, _ = model()
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver().save(session, str(tmp_path / "model"), global_step=7)
        expected = session.run(y, {"x:0": X})
    assert_y(ModelSource(tmp_path / "model-7.meta", checkpoint=tmp_path / checkpoint), tmp_path, expected)


def moving_averages(folder: Path) -> tuple[Any, Any]:
    """A checkpoint of variables and their averages, two savers; what `y` is with the ones and with the others."""
    with tf.Graph().as_default(), tf1.Session() as session:
        y, variables = model()
        average = tf.train.ExponentialMovingAverage(0.5)
        update = average.apply(variables)
        session.run(tf1.variables_initializer(variables))  # averages start from their values
        session.run(tf1.variables_initializer([average.average(variable) for variable in variables]))
        session.run([tf1.assign_add(variable, tf.ones_like(variable)) for variable in variables])
        session.run(update)
        everything = tf1.train.Saver(name="everything")
        everything.save(session, str(folder / "model"))
        plain = session.run(y, {"x:0": X})
        renaming = tf1.train.Saver(average.variables_to_restore(), name="averages")
        renaming.export_meta_graph(str(folder / "averages.meta"))
        renaming.restore(session, str(folder / "model"))
        averaged = session.run(y, {"x:0": X})
        graph = session.graph.as_graph_def()
        for message, name in (
            (graph, "graph"),
            (everything.as_saver_def(), "plain"),
            (renaming.as_saver_def(), "averages"),
        ):
            tf1.train.write_graph(message, str(folder), f"{name}.pb", as_text=False)
            tf1.train.write_graph(message, str(folder), f"{name}.pbtxt", as_text=True)
    assert np.abs(plain - averaged).max() > 0.1
    return plain, averaged


def test_saver_that_renames(tmp_path: Path) -> None:
    """A saver that restores averages into the variables gives the averages; the other one does not."""
    plain, averaged = moving_averages(tmp_path)
    checkpoint = tmp_path / "model"
    assert_y(ModelSource(tmp_path / "averages.meta", checkpoint=checkpoint), tmp_path, averaged)
    assert_y(ModelSource(tmp_path / "model.meta", checkpoint=checkpoint), tmp_path, plain)


def test_moving_average_by_option(tmp_path: Path) -> None:
    """`moving_average` takes the averages, and says which."""
    _, averaged = moving_averages(tmp_path)
    source = ModelSource(tmp_path / "model.meta", checkpoint=tmp_path / "model")
    assert_y(source, tmp_path, averaged, moving_average=True)
    options = FreezeOptions(output_nodes=("y",), moving_average=True)
    frozen = freeze_file(source, tmp_path / "frozen.pb", options)
    assert {"b/ExponentialMovingAverage", "w/ExponentialMovingAverage"} == {
        v.key for v in frozen.report.variables
    }
    assert {"moving_average"} == {variable.source for variable in frozen.report.variables}


def test_restore_op_by_option(tmp_path: Path) -> None:
    """A restore op that the caller names is the one that counts, whatever the MetaGraph says."""
    plain, averaged = moving_averages(tmp_path)
    source = ModelSource(tmp_path / "averages.meta", checkpoint=tmp_path / "model")
    assert_y(
        source, tmp_path, plain, restore_op="everything/restore_all", filename_tensor="everything/Const:0"
    )
    assert_y(source, tmp_path, averaged, restore_op="averages/restore_all")


@pytest.mark.parametrize("suffix", ["pb", "pbtxt"])
def test_saver_in_a_file(suffix: str, tmp_path: Path) -> None:
    """A bare graph is restored by the saver whose SaverDef is given, binary or text."""
    plain, averaged = moving_averages(tmp_path)
    for saver, expected in (("plain", plain), ("averages", averaged)):
        source = ModelSource(tmp_path / "graph.pb", tmp_path / "model", saver=tmp_path / f"{saver}.{suffix}")
        assert_y(source, tmp_path, expected)


def test_only_saver_of_a_bare_graph(tmp_path: Path) -> None:
    """A bare graph with one saver in it is restored by that one, whatever its name and its keys."""
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        y, (w, b) = model()
        session.run(tf1.global_variables_initializer())
        saver = tf1.train.Saver({"kernel": w, "bias": b}, name="mine")
        saver.save(session, str(tmp_path / "model"), write_meta_graph=False)
        tf1.train.write_graph(graph.as_graph_def(), str(tmp_path), "graph.pb", as_text=False)
        expected = session.run(y, {"x:0": X})
    assert_y(ModelSource(tmp_path / "graph.pb", checkpoint=tmp_path / "model"), tmp_path, expected)


@pytest.mark.parametrize(
    "options", [{"restore_sequentially": True}, {"reshape": True}, {"max_to_keep": 1, "name": "x"}]
)
def test_options_of_savers(options: dict[str, Any], tmp_path: Path) -> None:
    """Savers that restore one by one, or into other shapes, restore the same values."""
    with tf.Graph().as_default(), tf1.Session() as session:
        y, _ = model()
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver(**options).save(session, str(tmp_path / "model"))
        expected = session.run(y, {"x:0": X})
    assert_y(ModelSource(tmp_path / "model.meta", checkpoint=tmp_path / "model"), tmp_path, expected)


def test_saver_that_reshapes(tmp_path: Path) -> None:
    """A saver with `reshape` restores a tensor of another shape and the same size."""
    with tf.Graph().as_default(), tf1.Session() as session:
        tf1.get_variable("w", initializer=np.arange(9, dtype=np.float32), use_resource=False)
        tf1.get_variable("b", initializer=np.float32([[0.1], [0.2], [0.3]]), use_resource=False)
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver().save(session, str(tmp_path / "model"))
    with tf.Graph().as_default(), tf1.Session() as session:
        y, _ = model()
        saver = tf1.train.Saver(reshape=True)
        saver.restore(session, str(tmp_path / "model"))
        expected = session.run(y, {"x:0": X})
        saver.export_meta_graph(str(tmp_path / "other.meta"))
    assert_y(ModelSource(tmp_path / "other.meta", checkpoint=tmp_path / "model"), tmp_path, expected)


def with_another_shape() -> None:
    """The same names; `w` is larger."""
    tf1.get_variable("w", (4, 3), use_resource=False)
    tf1.get_variable("b", (3,), use_resource=False)


def with_another_dtype() -> None:
    """The same names; `b` is of double precision."""
    tf1.get_variable("w", (3, 3), use_resource=False)
    tf1.get_variable("b", (3,), tf.float64, use_resource=False)


def without_b() -> None:
    """`b` is called something else."""
    tf1.get_variable("w", (3, 3), use_resource=False)
    tf1.get_variable("b_1", (3,), use_resource=False)


@pytest.mark.parametrize(
    ("variables", "reason", "subject"),
    [
        (with_another_shape, Reason.VARIABLE_MISMATCH, "w"),
        (with_another_dtype, Reason.VARIABLE_MISMATCH, "b"),
        (without_b, Reason.VARIABLE_NOT_IN_CHECKPOINT, "b"),
    ],
)
def test_checkpoint_of_another_model(
    variables: Callable[[], None], reason: Reason, subject: str, tmp_path: Path
) -> None:
    """A checkpoint that does not fit is an error that names the variable and what is there."""
    with tf.Graph().as_default(), tf1.Session() as session:
        variables()
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver().save(session, str(tmp_path / "other"))
    with tf.Graph().as_default():
        model()
        tf1.train.export_meta_graph(str(tmp_path / "model.meta"), saver_def=tf1.train.Saver().as_saver_def())
    source = ModelSource(tmp_path / "model.meta", checkpoint=tmp_path / "other")
    with pytest.raises(FreezeError) as caught:
        freeze_file(source, tmp_path / "frozen.pb", OUTPUT)
    assert (reason, subject) == (caught.value.reason, caught.value.subject)
    assert not (tmp_path / "frozen.pb").exists()


def test_object_based_checkpoint(tmp_path: Path) -> None:
    """A graph without a saver finds its variables by the object graph of a `tf.train.Checkpoint`."""
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        y, (w, b) = model(use_resource=True)
        session.run(tf1.global_variables_initializer())
        tf1.train.write_graph(graph.as_graph_def(), str(tmp_path), "graph.pb", as_text=False)
        expected = session.run(y, {"x:0": X})
        prefix = tf1.train.Checkpoint(layer={"kernel": w, "bias": b}).save(
            str(tmp_path / "model"), session=session
        )
    assert_y(ModelSource(tmp_path / "graph.pb", checkpoint=Path(prefix)), tmp_path, expected)


def test_saved_model_of_tf1(tmp_path: Path) -> None:
    """A SavedModel by the TF1 builder: two tag sets, a main op that overrides what was restored."""
    with tf.Graph().as_default(), tf1.Session() as session:
        y, (_, b) = model()
        local = tf1.get_local_variable(
            "offset", (3,), initializer=tf1.zeros_initializer(), use_resource=False
        )
        out = tf.add(y, local, name="out")
        session.run([tf1.global_variables_initializer(), tf1.local_variables_initializer()])
        builder = tf1.saved_model.Builder(str(tmp_path / "model"))
        signature = tf1.saved_model.predict_signature_def(
            {"x": session.graph.get_tensor_by_name("x:0")}, {"y": out}
        )
        main_op = tf.group(tf1.local_variables_initializer(), tf1.assign(b, [5.0, 6.0, 7.0]))
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": signature}, main_op=main_op
        )
        builder.add_meta_graph(["serve", "plain"], {"serving_default": signature})
        builder.save()
        plain = session.run(out, {"x:0": X})
    overridden = plain + np.float32([5.0, 6.0, 7.0]) - np.float32([0.1, 0.2, 0.3])
    frozen = freeze_file(tmp_path / "model", tmp_path / "frozen.pb", FreezeOptions(tags=frozenset({"serve"})))
    assert_same({"out:0": overridden}, run(frozen, {"x:0": X}))
    with pytest.raises(FreezeError) as caught:
        freeze_file(tmp_path / "model", tmp_path / "none.pb", FreezeOptions(tags=frozenset({"gpu"})))
    assert Reason.TAGS_NOT_FOUND == caught.value.reason
