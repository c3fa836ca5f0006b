"""Tables whose contents are in the checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tffreeze_server.emit.emit import write_file
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.freeze import freeze
from tffreeze_server.options import FreezeOptions, ModelSource

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tensorflow


def run(path: Path, output: str, feeds: dict[str, object], initializers: list[str]) -> object:
    """Run a frozen graph, its tables filled first."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(tf.compat.v1.GraphDef.FromString(path.read_bytes()), name="")
        session.run([session.graph.get_operation_by_name(op) for op in initializers])
        return session.run(output, feeds).tolist()


def test_a_mutable_table_of_tensorflow_2_is_filled_from_the_checkpoint(tmp_path: Path) -> None:
    """What was inserted before the save is found after the freeze, and the report names the op that imports it."""

    class Lookup(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
            self.table.insert(tf.constant(["one", "two"]), tf.constant([1, 2], tf.int64))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="word")])
        def find(self, word: object) -> object:
            return {"number": self.table.lookup(word)}

    module = Lookup()
    tf.saved_model.save(module, str(tmp_path / "model"), signatures={"serving_default": module.find})

    result = freeze(ModelSource(tmp_path / "model"), FreezeOptions())
    write_file(result.plan, tmp_path / "frozen.pb")

    initializers = [i.op for i in result.report.initializers]
    assert 1 == len(initializers)
    assert not [key for key in result.report.dropped.checkpoint_keys if "table" in key]
    (word,), (number,) = result.report.inputs, result.report.outputs
    found = run(tmp_path / "frozen.pb", number.tensor, {word.tensor: ["two", "six", "one"]}, initializers)
    assert [2, -1, 1] == found


def test_a_mutable_table_of_tensorflow_1_is_filled_from_the_checkpoint(tmp_path: Path) -> None:
    """A saver that restores a table beside variables says where its contents are."""
    tf1 = tf.compat.v1
    with tf.Graph().as_default(), tf1.Session() as session:
        table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1, name="words")
        scale = tf1.get_variable("scale", initializer=tf.constant(10, tf.int64), use_resource=True)
        word = tf1.placeholder(tf.string, [None], "word")
        tf.multiply(table.lookup(word), scale, name="number")
        saver = tf1.train.Saver()
        session.run(tf1.global_variables_initializer())
        session.run(table.insert(tf.constant(["one", "two"]), tf.constant([1, 2], tf.int64)))
        saver.save(session, str(tmp_path / "model"))

    result = freeze(
        ModelSource(tmp_path / "model.meta", checkpoint=tmp_path / "model"),
        FreezeOptions(output_nodes=("number",)),
    )
    write_file(result.plan, tmp_path / "frozen.pb")

    initializers = [i.op for i in result.report.initializers]
    found = run(tmp_path / "frozen.pb", "number:0", {"word:0": ["two", "six", "one"]}, initializers)
    assert [20, -10, 10] == found


def words_of_training(folder: Path, **loader: str) -> tuple[ModelSource, list[int]]:
    """A mutable table saved with two words, beside an op that would insert others; what a loader finds in it.

    Args:
        folder: For the files.
        loader: `main_op` where a loader runs that op.

    """
    tf1 = tf.compat.v1
    with tf.Graph().as_default(), tf1.Session() as session:
        table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1, name="words")
        word = tf1.placeholder(tf.string, [None], "word")
        number = tf.identity(table.lookup(word), name="number")
        session.run(table.insert(tf.constant(["one", "two"]), tf.constant([1, 2], tf.int64)))
        insert = table.insert(tf.constant(["two", "six"]), tf.constant([22, 66], tf.int64), name="insert")
        signature = tf1.saved_model.predict_signature_def({"word": word}, {"number": number})
        builder = tf1.saved_model.Builder(str(folder / "model"))
        more = dict.fromkeys(loader, insert)
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature}, **more)
        builder.save()
    loaded = tf.saved_model.load(str(folder / "model")).signatures["serving_default"]
    return ModelSource(folder / "model"), loaded(tf.constant(["one", "two", "six"]))[
        "number"
    ].numpy().tolist()


@pytest.mark.parametrize(
    ("loader", "expected"),
    [({}, [1, 2, -1]), ({"main_op": "insert"}, [1, 22, 66])],
    ids=["training", "loader"],
)
def test_an_insert_counts_where_a_loader_runs_it(
    tmp_path: Path, loader: dict[str, str], expected: list[int]
) -> None:
    """The checkpoint has what a mutable table holds; an insert that only training ran changes nothing of it."""
    source, found_by_tensorflow = words_of_training(tmp_path, **loader)

    result = freeze(source, FreezeOptions())
    write_file(result.plan, tmp_path / "frozen.pb")

    assert expected == found_by_tensorflow
    initializers = [i.op for i in result.report.initializers]
    feeds: dict[str, object] = {"word:0": ["one", "two", "six"]}
    assert expected == run(tmp_path / "frozen.pb", "number:0", feeds, initializers)


def test_an_insert_that_the_caller_names_counts(tmp_path: Path) -> None:
    """As if a loader ran it: after the import from the checkpoint."""
    source, _ = words_of_training(tmp_path)

    result = freeze(source, FreezeOptions(initializer_nodes=("insert/LookupTableInsertV2",)))
    write_file(result.plan, tmp_path / "frozen.pb")

    initializers = [i.op for i in result.report.initializers]
    assert "insert/LookupTableInsertV2" == initializers[-1]
    feeds: dict[str, object] = {"word:0": ["one", "two", "six"]}
    assert [1, 22, 66] == run(tmp_path / "frozen.pb", "number:0", feeds, initializers)


def test_an_insert_is_not_mistaken_for_all_that_a_table_holds(tmp_path: Path) -> None:
    """Without the checkpoint that has the rest, the table cannot be filled as a loader fills it."""
    source, _ = words_of_training(tmp_path, main_op="insert")
    shutil.rmtree(source.model / "variables")

    with pytest.raises(FreezeError) as caught:
        freeze(source, FreezeOptions())

    assert (Reason.CHECKPOINT_NEEDED, "words") == (caught.value.reason, caught.value.subject)
