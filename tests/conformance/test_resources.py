"""Resources that are no tables: what fills them is kept, and the frozen graph runs after it as the model does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conformance.harness import Frozen, freeze_file, np, run, tf, tf1
from tffreeze_server.emit.directory import write_directory
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.freeze import freeze
from tffreeze_server.options import FreezeOptions, ModelSource

pytestmark = pytest.mark.tensorflow
saveable = pytest.importorskip("tensorflow.python.training.saving.saveable_object")

LINES = ["seven", "eight"]


def iterator(op_name: str = "numbers") -> Any:
    """An iterator over floats that nothing has filled."""
    return tf.raw_ops.IteratorV2(
        shared_name=op_name, container="", output_types=[tf.float32], output_shapes=[[]], name=op_name
    )


def next_of(handle: Any, dtype: Any = tf.float32) -> Any:
    """What an iterator gives next."""
    return tf.raw_ops.IteratorGetNext(iterator=handle, output_types=[dtype], output_shapes=[[]])[0]


def save(folder: Path, session: Any, inputs: dict[str, Any], outputs: dict[str, Any], **more: Any) -> None:
    """Save the session's graph as a SavedModel with one signature."""
    builder = tf1.saved_model.Builder(str(folder))
    signature = tf1.saved_model.predict_signature_def(inputs, outputs)
    builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature}, **more)
    builder.save()


def call(folder: Path, **feeds: Any) -> dict[str, Any]:
    """What `serving_default` gives once TensorFlow has loaded the SavedModel and run its init op."""
    loaded = tf.saved_model.load(str(folder))
    results = loaded.signatures["serving_default"](**{key: tf.constant(v) for key, v in feeds.items()})
    return {key: np.asarray(value).tolist() for key, value in results.items()}


def frozen_saved_model(source: ModelSource, target: Path) -> Path:
    """A frozen SavedModel, in a folder."""
    result = freeze(source, FreezeOptions(as_saved_model=True))
    write_directory(result.plan, target, result.assets)
    return target


def initializers(frozen: Frozen) -> list[tuple[str, str, str]]:
    """What the report says must be run first."""
    return [(i.op, i.table, i.asset) for i in frozen.report.initializers]


def test_an_iterator_keeps_the_op_that_fills_it(tmp_path: Path) -> None:
    """A dataset with a function in it feeds an iterator; both forms of the frozen graph give its first element."""
    with tf.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, (), "x")
        factor = tf1.get_variable("factor", initializer=10.0, use_resource=True)
        handle = iterator()
        dataset = tf1.data.Dataset.from_tensor_slices(np.float32([7, 8])).map(lambda v: v * 2)
        init = tf.raw_ops.MakeIterator(dataset=dataset._variant_tensor, iterator=handle, name="fill")
        y = tf.add(x * factor, next_of(handle), name="y")
        session.run(tf1.global_variables_initializer())
        save(tmp_path / "model", session, {"x": x}, {"y": y}, main_op=tf.group(init, name="main"))

    frozen = freeze_file(tmp_path / "model", tmp_path / "frozen.pb")

    assert [("fill", "numbers", "")] == initializers(frozen)
    assert "RESOURCE_NEEDS_INITIALIZER" in {w.code for w in frozen.report.warnings}
    assert {"y:0": 24.0} == run(frozen, {"x:0": 1.0})
    target = frozen_saved_model(ModelSource(tmp_path / "model"), tmp_path / "frozen")
    assert call(tmp_path / "model", x=1.0) == call(target, x=1.0) == {"y": 24.0}


def test_a_queue_is_filled_and_closed_in_order(tmp_path: Path) -> None:
    """Two ops change one queue, one after the other: both are kept, in that order."""
    with tf.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, (), "x")
        queue = tf.raw_ops.FIFOQueueV2(component_types=[tf.float32], shapes=[[]], shared_name="q", name="q")
        fill = tf.raw_ops.QueueEnqueueManyV2(handle=queue, components=[tf.constant([5.0, 6.0])], name="fill")
        with tf.control_dependencies([fill]):
            close = tf.raw_ops.QueueCloseV2(handle=queue, name="close")
        y = tf.add(x, tf.raw_ops.QueueDequeueV2(handle=queue, component_types=[tf.float32])[0], name="y")
        save(tmp_path / "model", session, {"x": x}, {"y": y}, main_op=close)

    frozen = freeze_file(tmp_path / "model", tmp_path / "frozen.pb")

    assert [("fill", "q", ""), ("close", "q", "")] == initializers(frozen)
    target = frozen_saved_model(ModelSource(tmp_path / "model"), tmp_path / "frozen")
    assert call(tmp_path / "model", x=1.0) == call(target, x=1.0) == {"y": 6.0}


def test_a_queue_in_the_checkpoint_is_filled_from_there(tmp_path: Path) -> None:
    """A saver that restores a queue through an op of its own says what the queue holds."""
    source = queue_with_a_saver(tmp_path)

    frozen = freeze_file(source, tmp_path / "frozen.pb", FreezeOptions(output_nodes=("y",)))

    assert ["q"] == [i.table for i in frozen.report.initializers]
    assert {"y:0": 8.0} == run(frozen, {"x:0": 1.0})


def test_a_queue_in_a_checkpoint_that_is_not_given(tmp_path: Path) -> None:
    """Without its checkpoint such a queue cannot be filled: an error names it."""
    source = queue_with_a_saver(tmp_path)
    alone = source.model.rename(tmp_path / "alone.meta")  # beside `model.meta`, the checkpoint would be found

    with pytest.raises(FreezeError) as caught:
        freeze(ModelSource(alone), FreezeOptions(output_nodes=("y",)))

    assert (Reason.CHECKPOINT_NEEDED, "q") == (caught.value.reason, caught.value.subject)


def queue_with_a_saver(folder: Path) -> ModelSource:
    """A MetaGraph whose saver keeps the elements of a queue in the checkpoint."""
    with tf.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, (), "x")
        queue = tf.raw_ops.FIFOQueueV2(component_types=[tf.float32], shapes=[[]], shared_name="q", name="q")
        tf.add(x, tf.raw_ops.QueueDequeueV2(handle=queue, component_types=[tf.float32])[0], name="y")
        held = tf.raw_ops.QueueDequeueManyV2(handle=queue, n=2, component_types=[tf.float32])[0]

        class Held(saveable.SaveableObject):  # type: ignore[misc, name-defined]  # TensorFlow is not typed
            """The elements of the queue."""

            def restore(self, restored: Any, _shapes: Any) -> Any:
                return tf.raw_ops.QueueEnqueueManyV2(handle=queue, components=restored)

        part = saveable.SaveSpec(held, "", "q-elements", tf.float32)
        saver = tf1.train.Saver([Held(queue, [part], "q-elements")])
        session.run(tf.raw_ops.QueueEnqueueManyV2(handle=queue, components=[tf.constant([7.0, 9.0])]))
        saver.save(session, str(folder / "model"))
    return ModelSource(folder / "model.meta", checkpoint=folder / "model")


def reader_of_a_folder(folder: Path) -> Path:
    """A model whose init op is given one asset, and reads another one beside it, as decision forests do."""
    (folder / "files").mkdir()
    for name, text in {"done": "", "words.txt": "\n".join(LINES), "more.txt": "x"}.items():
        (folder / "files" / name).write_text(text)
    with tf.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.string, (), "x")
        names = ("more.txt", "words.txt", "done")
        paths = [tf.constant(str(folder / "files" / name), name=name.partition(".")[0]) for name in names]
        for path in paths:
            tf1.add_to_collection(tf1.GraphKeys.ASSET_FILEPATHS, path)
        handle = tf.raw_ops.IteratorV2(
            shared_name="lines", container="", output_types=[tf.string], output_shapes=[[]], name="lines"
        )
        words = tf.strings.regex_replace(paths[-1], "done$", "") + "words.txt"
        dataset = tf1.data.TextLineDataset(words)
        init = tf.raw_ops.MakeIterator(dataset=dataset._variant_tensor, iterator=handle, name="fill")
        y = tf.strings.join([x, next_of(handle, tf.string)], name="y")
        save(folder / "model", session, {"x": x}, {"y": y}, main_op=init, assets_collection=paths)
    return folder / "model"


def test_all_assets_of_a_folder_that_is_read_are_kept(tmp_path: Path) -> None:
    """The path of one asset leads to others: the frozen SavedModel has them all, and runs."""
    model = reader_of_a_folder(tmp_path)

    frozen = freeze_file(model, tmp_path / "frozen.pb")
    target = frozen_saved_model(ModelSource(model), tmp_path / "frozen")

    assert [("fill", "lines", "done")] == initializers(frozen)
    assert {b"aseven"} == set(run(frozen, {"x:0": "a"}, cwd=model).values())
    assert {"done", "more.txt", "words.txt"} == {path.name for path in (target / "assets").iterdir()}
    assert call(model, x="a") == call(target, x="a") == {"y": b"aseven"}


def test_a_table_filled_from_a_dataset(tmp_path: Path) -> None:
    """TensorFlow 2 fills a table from a dataset by an op of its own."""

    class Lookup(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.data = tf.data.Dataset.from_tensor_slices((["a", "b"], np.int64([3, 4])))
            self.table = tf.lookup.StaticHashTable(tf.data.experimental.DatasetInitializer(self.data), -1)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="word")])
        def find(self, word: Any) -> Any:
            return {"number": self.table.lookup(word)}

    module = Lookup()
    tf.saved_model.save(module, str(tmp_path / "model"), signatures={"serving_default": module.find})

    target = frozen_saved_model(ModelSource(tmp_path / "model"), tmp_path / "frozen")

    assert {"number": [4, -1]} == call(target, word=["b", "c"])
    assert 1 == len(freeze_file(tmp_path / "model", tmp_path / "frozen.pb").report.initializers)


def test_a_resource_filled_with_what_is_fed(tmp_path: Path) -> None:
    """An init op that reads a Placeholder cannot be run by anybody: an error names it and the resource."""
    with tf.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, (), "x")
        handle = iterator()
        dataset = tf1.data.Dataset.from_tensor_slices(tf1.placeholder(tf.float32, [None], "data"))
        init = tf.raw_ops.MakeIterator(dataset=dataset._variant_tensor, iterator=handle, name="fill")
        y = tf.add(x, next_of(handle), name="y")
        save(tmp_path / "model", session, {"x": x}, {"y": y}, main_op=init)

    with pytest.raises(FreezeError) as caught:
        freeze(ModelSource(tmp_path / "model"), FreezeOptions())

    assert (Reason.UNSUPPORTED_INITIALIZER, "numbers") == (caught.value.reason, caught.value.subject)
    assert "'fill'" in caught.value.message
