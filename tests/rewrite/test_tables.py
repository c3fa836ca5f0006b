"""What fills tables, and what only looks as if it did, without TensorFlow."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format

from checkpoint.bundle_writer import Stored, strings_stored, write_bundle
from rewrite.freezing import Frozen, freeze_text
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.freeze import freeze
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.tfproto.saved_model_pb2 import MetaGraphDef

TYPES = (
    'attr { key: "key_dtype" value { type: DT_STRING } } attr { key: "value_dtype" value { type: DT_INT64 } }'
)
INOUT = 'attr { key: "Tin" value { type: DT_STRING } } attr { key: "Tout" value { type: DT_INT64 } }'
KINDS = 'attr { key: "Tkey" value { type: DT_STRING } } attr { key: "Tval" value { type: DT_INT64 } }'
HANDLES = 'attr { key: "T" value { list { type: DT_INT64 type: DT_RESOURCE } } }'


def constant(name: str, dtype: str, values: str, size: int = 1) -> str:
    """A vector."""
    return f"""node {{ name: "{name}" op: "Const" attr {{ key: "dtype" value {{ type: DT_{dtype} }} }}
      attr {{ key: "value" value {{ tensor {{ dtype: DT_{dtype} tensor_shape {{ dim {{ size: {size} }} }}
      {values} }} }} }} }}"""


def model(table: str, *more: str) -> str:
    """A table that is looked up in, and some more nodes."""
    return f"""node {{ name: "t" op: "{table}" {TYPES} }} node {{ name: "x" op: "Placeholder"
      attr {{ key: "dtype" value {{ type: DT_STRING }} }} }}
      {constant("default", "INT64", "int64_val: -1")} {constant("keys", "STRING", 'string_val: "k"')}
      {constant("values", "INT64", "int64_val: 1")}
      node {{ name: "y" op: "LookupTableFindV2" input: "t" input: "x" input: "default" {INOUT} }}
      {"".join(more)}"""


def op(name: str, kind: str, *inputs: str, attrs: str = INOUT) -> str:
    """A node."""
    return f'node {{ name: "{name}" op: "{kind}" {" ".join(f"input: {i!r}" for i in inputs)} {attrs} }}'


SAVER = (
    constant("save/names", "STRING", 'string_val: ["t-keys", "t-values"]', 2)
    + constant("save/slices", "STRING", 'string_val: ["", ""]', 2)
    + 'node { name: "save/file" op: "Placeholder" attr { key: "dtype" value { type: DT_STRING } } }'
    + op("save/r", "RestoreV2", "save/file", "save/names", "save/slices",
         attrs='attr { key: "dtypes" value { list { type: DT_STRING type: DT_INT64 } } }')
    + op("save/import", "LookupTableImportV2", "t", "save/r", "save/r:1")
    + 'node { name: "save/restore_all" op: "NoOp" input: "^save/import" }'
)  # fmt: skip


def checkpoint(folder: Path) -> Path:
    """What the saver restores: one word."""
    values = Stored("t-values", 9, (1,), (7).to_bytes(8, "little"))
    return write_bundle(folder / "m", [strings_stored("t-keys", (1,), [b"word"]), values])


def fillers(frozen: Frozen) -> list[tuple[str, str]]:
    """What the report says must be run, and the table it fills."""
    return [(i.op, i.table) for i in frozen.report.initializers]


def codes(frozen: Frozen) -> set[str]:
    """The warnings."""
    return {w.code for w in frozen.report.warnings}


@pytest.mark.parametrize(("kind", "attrs"), [("InitializeTableV2", KINDS), ("LookupTableImportV2", INOUT)])
def test_the_op_of_a_static_table_is_found(tmp_path: Path, kind: str, attrs: str) -> None:
    """A GraphDef says of no op that a loader runs it: what fills a static table is kept nevertheless."""
    frozen = freeze_text(
        model("HashTableV2", op("fill", kind, "t", "keys", "values", attrs=attrs)),
        tmp_path,
        "y",
    )
    assert [("fill", "t")] == fillers(frozen)
    assert (kind, ("t", "keys", "values")) == frozen.shape()["fill"]


def test_a_handle_among_others(tmp_path: Path) -> None:
    """An IdentityN hands each of its inputs on by its own output."""
    both = op("both", "IdentityN", "values", "t", attrs=HANDLES)
    fill = op("fill", "InitializeTableV2", "both:1", "keys", "both", attrs=KINDS)
    frozen = freeze_text(model("HashTableV2", both, fill), tmp_path, "y")
    assert [("fill", "t")] == fillers(frozen)


def test_an_op_that_reads_what_is_fed_fills_nothing(tmp_path: Path) -> None:
    """Unless a loader runs it, which is an error then."""
    text = model("HashTableV2", op("fill", "InitializeTableV2", "t", "x", "values", attrs=KINDS))
    assert [] == fillers(freeze_text(text, tmp_path, "y"))
    with pytest.raises(FreezeError) as caught:
        freeze_text(text, tmp_path, "y", initializer_nodes=("fill",))
    assert (Reason.UNSUPPORTED_INITIALIZER, "t") == (caught.value.reason, caught.value.subject)


@pytest.mark.parametrize("kind", ["LookupTableInsertV2", "LookupTableImportV2"])
def test_an_insert_of_training(tmp_path: Path, kind: str) -> None:
    """What no loader runs fills no mutable table; the checkpoint does."""
    insert = op("insert", kind, "t", "keys", "values")
    frozen = freeze_text(
        model("MutableHashTableV2", insert, SAVER), tmp_path, "y", checkpoint=checkpoint(tmp_path)
    )
    assert [("save/import", "t")] == fillers(frozen)
    shape = frozen.shape()
    assert "insert" not in shape
    assert ("LookupTableImportV2", ("t", "save/import/keys", "save/import/values")) == shape["save/import"]
    tensors = {n.name: n.attr["value"].tensor for n in frozen.graph.node if n.op == "Const"}
    assert [b"word"] == list(tensors["save/import/keys"].string_val)
    assert (7).to_bytes(8, "little") == tensors["save/import/values"].tensor_content
    empty = freeze_text(model("MutableHashTableV2", insert), tmp_path, "y")
    assert ([], True) == (fillers(empty), "EMPTY_TABLE" in codes(empty))


def test_an_insert_of_a_loader(tmp_path: Path) -> None:
    """It comes after the import from the checkpoint; without a saver it is all there is."""
    insert = op("insert", "LookupTableInsertV2", "t", "keys", "values")
    frozen = freeze_text(
        model("MutableHashTableV2", insert, SAVER),
        tmp_path,
        "y",
        checkpoint=checkpoint(tmp_path),
        initializer_nodes=("insert",),
    )
    assert [("save/import", "t"), ("insert", "t")] == fillers(frozen)
    assert ("t", "keys", "values", "^save/import") == frozen.shape()["insert"][1]
    names = [node.name for node in frozen.graph.node]
    assert names.index("save/import") < names.index("insert")
    alone = freeze_text(model("MutableHashTableV2", insert), tmp_path, "y", initializer_nodes=("insert",))
    assert [("insert", "t")] == fillers(alone)
    assert ("t", "keys", "values") == alone.shape()["insert"][1]


@pytest.mark.parametrize("given", [False, True])
def test_an_insert_of_a_loader_without_what_was_restored(tmp_path: Path, given: bool) -> None:
    """Without the checkpoint, or with one of another model, the table would hold less than a loader's."""
    insert = op("insert", "LookupTableInsertV2", "t", "keys", "values")
    other = write_bundle(tmp_path / "other", [Stored("k", 1, (), bytes(4))]) if given else None
    with pytest.raises(FreezeError) as caught:
        freeze_text(
            model("MutableHashTableV2", insert, SAVER),
            tmp_path,
            "y",
            checkpoint=other,
            initializer_nodes=("insert",),
        )
    expected = Reason.VARIABLE_NOT_IN_CHECKPOINT if given else Reason.CHECKPOINT_NEEDED
    assert (expected, "t") == (caught.value.reason, caught.value.subject)


def test_warnings_of_ops_with_state(tmp_path: Path) -> None:
    """A table and what fills it have warnings of their own; any other op with state has one by its name."""
    fill = op("fill", "InitializeTableV2", "t", "keys", "values", attrs=KINDS)
    frozen = freeze_text(model("HashTableV2", fill), tmp_path, "y")
    assert {"TABLE_NEEDS_INITIALIZER"} == codes(frozen)
    text = """node { name: "y" op: "PyFunc" attr { key: "token" value { s: "t" } } attr { key: "Tin" value { list {} } }
      attr { key: "Tout" value { list { type: DT_FLOAT } } } }"""
    (warning,) = freeze_text(text, tmp_path, "y").report.warnings
    assert ("STATEFUL_OP", "y") == (warning.code, warning.subject)
    assert "'PyFunc'" in warning.message


def test_the_asset_that_a_table_is_filled_from(tmp_path: Path) -> None:
    """The report names it, also where its path comes through Identities."""
    file = constant("file", "STRING", 'string_val: "words.txt"').replace("dim { size: 1 }", "")
    same = "".join(
        op(name, "Identity", before, attrs='attr { key: "T" value { type: DT_STRING } }')
        for name, before in (("same", "file"), ("again", "same"))
    )
    fill = op("fill", "InitializeTableFromTextFileV2", "t", "again", attrs="")
    meta = MetaGraphDef()
    text_format.Parse(model("HashTableV2", file, same, fill), meta.graph_def)
    meta.asset_file_def.add(filename="words.txt").tensor_info.name = "file:0"
    path = tmp_path / "model.meta"
    path.write_bytes(meta.SerializeToString())
    (initializer,) = freeze(ModelSource(path), FreezeOptions(output_nodes=("y",))).report.initializers
    assert ("fill", "t", "words.txt") == (initializer.op, initializer.table, initializer.asset)
