"""Telling what a file holds, and finding it."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format
from google.protobuf.message import Message

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.load import load
from tffreeze_server.graph.model import Model
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.tfproto.graph_pb2 import GraphDef
from tffreeze_server.tfproto.saved_model_pb2 import AssetFileDef, MetaGraphDef, SavedModel, SaverDef


def graph() -> GraphDef:
    """A graph of two nodes."""
    result = GraphDef()
    result.node.add(name="x", op="Placeholder").attr["dtype"].type = 1
    result.node.add(name="y", op="Identity", input=["x"]).attr["T"].type = 1
    result.versions.producer = 1645
    return result


def meta_graph(*tags: str) -> MetaGraphDef:
    """A MetaGraph of that graph."""
    result = MetaGraphDef(graph_def=graph())
    result.meta_info_def.tags.extend(tags)
    result.meta_info_def.stripped_op_list.op.add(name="Custom>Op")
    result.saver_def.restore_op_name = "save/restore_all"
    result.saver_def.filename_tensor_name = "save/Const:0"
    return result


def saved_model(*meta_graphs: MetaGraphDef) -> SavedModel:
    """A SavedModel of MetaGraphs."""
    return SavedModel(saved_model_schema_version=1, meta_graphs=meta_graphs)


def written(path: Path, message: Message, *, text: bool = False) -> Path:
    """Write a message to a file."""
    path.write_bytes(
        text_format.MessageToString(message).encode()
        if text
        else message.SerializeToString(deterministic=True)
    )
    return path


def loaded(path: Path, **options: object) -> Model:
    """Load with options."""
    return load(ModelSource(path), FreezeOptions(**options))  # type: ignore[arg-type]


def failure(path: Path, **options: object) -> FreezeError:
    """The error of a load."""
    with pytest.raises(FreezeError) as caught:
        loaded(path, **options)
    return caught.value


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (graph(), "graph_def"),
        (meta_graph(), "meta_graph"),
        (meta_graph("serve"), "meta_graph"),
        (saved_model(meta_graph("serve")), "saved_model"),
        (SavedModel(meta_graphs=[meta_graph("serve")]), "saved_model"),
        (MetaGraphDef(graph_def=graph()), "meta_graph"),
        (GraphDef(node=[{"name": "only", "op": "NoOp"}]), "graph_def"),
        (GraphDef(versions={"producer": 27}), "graph_def"),
        (GraphDef(library={"function": [{"signature": {"name": "f"}}]}), "graph_def"),
    ],
)
def test_kinds_are_told_apart_by_content(tmp_path: Path, message: Message, kind: str, text: bool) -> None:
    """A file's name says nothing: each kind is known by its bytes, binary and text."""
    assert kind == loaded(written(tmp_path / "model.meta", message, text=text)).kind


def test_every_real_model_is_the_kind_its_name_says(models_dir: Path) -> None:
    """Where the name of a real file does tell its kind, the content says the same."""
    kinds = {".meta": "meta_graph", "saved_model.pb": "saved_model", "graph.pbtxt": "graph_def"}
    found = {
        path: (kind, loaded(path).kind)
        for ending, kind in kinds.items()
        for path in models_dir.rglob(f"*{ending}")
        if "frozen" not in path.name
    }
    assert len(found) > 40
    assert {} == {path: kinds for path, kinds in found.items() if kinds[0] != kinds[1]}


def test_every_real_saved_model_loads(models_dir: Path) -> None:
    """Every directory with a SavedModel in it loads, with the nodes it has."""
    found = {path.parent for path in models_dir.rglob("saved_model.pb*")}
    assert all(loaded(directory).nodes for directory in found)


@pytest.mark.parametrize("text", [False, True])
def test_a_saved_model_directory(tmp_path: Path, text: bool) -> None:
    """A SavedModel knows where its checkpoint and assets would be; its nodes and versions are those written."""
    name = "saved_model.pbtxt" if text else "saved_model.pb"
    written(tmp_path / name, saved_model(meta_graph("serve")), text=text)
    model = loaded(tmp_path)
    assert tmp_path / "variables" / "variables" == model.checkpoint
    assert tmp_path / "assets" == model.assets_dir
    assert [("x", "Placeholder", ()), ("y", "Identity", ("x",))] == [node[:3] for node in model.nodes]
    assert GraphDef(versions=graph().versions) == model.versions
    assert model.op_defs.find("Custom>Op") is not None
    assert model.meta_graph is not None
    assert not model.meta_graph.HasField("graph_def")


@pytest.mark.parametrize(
    ("first", "says"),
    [
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"PK\x03\x04abc", ".keras"),
        (b"\x1c\x00\x00\x00TFL3", "TensorFlow Lite"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"", "empty"),
        (b"import tensorflow as tf\n", "fit none"),
        (b"model_config_list { config {} }", "'model_config_list'"),
        (b"\xff" * 40, "fit none"),
    ],
)
def test_other_files_are_named(tmp_path: Path, first: bytes, says: str) -> None:
    """What is no model at all is refused with what it looks like."""
    path = tmp_path / "file"
    path.write_bytes(first)
    error = failure(path)
    assert Reason.MALFORMED_MODEL == error.reason
    assert says in error.message


def test_a_directory_of_versions_names_them(tmp_path: Path) -> None:
    """Given the parent folder of a model, the error names the model in it."""
    (tmp_path / "123").mkdir()
    written(tmp_path / "123" / "saved_model.pb", saved_model(meta_graph()))
    error = failure(tmp_path)
    assert Reason.MODEL_NOT_FOUND == error.reason
    assert f"'{tmp_path.name}/123'" in error.message


def test_a_directory_of_other_things_names_them(tmp_path: Path) -> None:
    """A directory without a SavedModel: the error says what it holds, never where it is."""
    (tmp_path / "model.ckpt.index").touch()
    error = failure(tmp_path)
    assert Reason.MODEL_NOT_FOUND == error.reason
    assert "'model.ckpt.index'" in error.message
    assert str(tmp_path) not in error.message


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    """A misspelt file: the error names the one that is there."""
    written(tmp_path / "graph.pb", graph())
    error = failure(tmp_path / "grph.pb")
    assert Reason.MODEL_NOT_FOUND == error.reason
    assert "'graph.pb'" in error.message


def test_a_chunked_saved_model_is_unsupported(tmp_path: Path) -> None:
    """Only saved_model.cpb: an error that says so; beside a .pbtxt the latter is read."""
    (tmp_path / "saved_model.cpb").write_bytes(b"riegeli")
    assert Reason.UNSUPPORTED_MODEL == failure(tmp_path).reason
    written(tmp_path / "saved_model.pbtxt", saved_model(meta_graph("serve")), text=True)
    assert "saved_model" == loaded(tmp_path).kind


def test_a_device_is_not_read() -> None:
    """What is no regular file is refused, not waited for."""
    assert Reason.FILE_NOT_READABLE == failure(Path("/dev/zero")).reason


def test_an_error_in_text_says_where(tmp_path: Path) -> None:
    """A mistake in a text file: line, column and the text there."""
    path = tmp_path / "graph.pbtxt"
    path.write_text('node {\n  name: "x"\n  opp: "NoOp"\n}\n')
    error = failure(path)
    assert Reason.MALFORMED_MODEL == error.reason
    assert "line 3, column 3, near 'opp: \"NoOp\"'" in error.message


@pytest.mark.parametrize("content", [b"node {" * 5000, b"node { name: '\xff\xfe' }", b"node { name: 'a"])
def test_hostile_text_is_an_error(tmp_path: Path, content: bytes) -> None:
    """Deep nesting, bytes that are no UTF-8, and text that ends too soon."""
    path = tmp_path / "graph.pbtxt"
    path.write_bytes(content)
    assert Reason.MALFORMED_MODEL == failure(path).reason


def test_an_any_written_out_in_text_is_read(tmp_path: Path) -> None:
    """TensorFlow's own message names inside an Any of a text file are understood."""
    text = text_format.MessageToString(saved_model(meta_graph("serve")))
    packed = (
        'collection_def { key: "saved_model_assets" value { any_list { value { '
        "[type.googleapis.com/tensorflow.AssetFileDef] "
        '{ tensor_info { name: "x:0" } filename: "vocab.txt" } } } } }'
    )
    (tmp_path / "saved_model.pbtxt").write_text(text.rstrip().removesuffix("}") + packed + "}")
    assert {"x:0": "vocab.txt"} == dict(loaded(tmp_path).assets)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (frozenset(("b", "a")), ("a", "b")),
        (frozenset(), ()),
        (None, ("serve",)),
    ],
)
def test_tags_are_a_set(tmp_path: Path, tags: frozenset[str] | None, expected: tuple[str, ...]) -> None:
    """The order of tags does not matter, the empty set is one, and without a wish it is `serve`."""
    graphs = (meta_graph("a", "b"), meta_graph(), meta_graph("serve"))
    model = loaded(written(tmp_path / "m", saved_model(*graphs)), tags=tags)
    assert frozenset(expected) == model.tags
    assert 3 == len(model.all_tags)


def test_tags_that_are_not_there_are_listed(tmp_path: Path) -> None:
    """The error names every tag set of the model."""
    path = written(tmp_path / "m", saved_model(meta_graph("train"), meta_graph("eval", "tpu")))
    for tags in (None, frozenset(("gpu",))):
        error = failure(path, tags=tags)
        assert Reason.TAGS_NOT_FOUND == error.reason
        assert "{eval, tpu}, {train}" in error.message


def test_the_only_meta_graph_needs_no_tags(tmp_path: Path) -> None:
    """One MetaGraph is taken whatever its tags, unless others are asked for."""
    path = written(tmp_path / "m", saved_model(meta_graph("eval")))
    assert frozenset(("eval",)) == loaded(path).tags
    assert Reason.TAGS_NOT_FOUND == failure(path, tags=frozenset(("serve",))).reason


TWICE = {"signature": {"name": "f"}}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda g: g.node.add(name="x", op="NoOp"), "'x'"),
        (lambda g: g.node.add(op="NoOp"), "no name"),
        (lambda g: g.node.add(name="z"), "'z' has no op"),
        (lambda g: g.MergeFrom(GraphDef(library={"function": [TWICE, TWICE]})), "'f'"),
    ],
)
def test_names_must_tell_apart(tmp_path: Path, change: object, says: str) -> None:
    """Two nodes or functions of one name, a node without name or op: an error that names it."""
    message = graph()
    change(message)  # type: ignore[operator]
    error = failure(written(tmp_path / "g", message))
    assert Reason.MALFORMED_MODEL == error.reason
    assert says in error.message


@pytest.mark.parametrize(("unknown", "accepted"), [(1, True), (2, False)])
def test_fields_of_a_later_tensorflow(tmp_path: Path, unknown: int, accepted: bool) -> None:
    """A file is of a kind where no more of its fields are unknown there than known."""
    path = tmp_path / "g"
    path.write_bytes(b"\x18\x1b" + b"\xe8\x04\x01" * unknown)
    if accepted:
        assert "graph_def" == loaded(path).kind
    else:
        assert "fit none" in failure(path).message


def test_a_saver_from_a_file_goes_first(tmp_path: Path) -> None:
    """--saver FILE, binary or text, stands before the MetaGraph's own."""
    path = written(tmp_path / "m", meta_graph())
    given = SaverDef(restore_op_name="y", filename_tensor_name="x:0")
    for text in (False, True):
        saver = written(tmp_path / "saver", given, text=text)
        model = load(ModelSource(path, saver=saver), FreezeOptions())
        assert ["y", "save/restore_all"] == [saver.restore_op for saver in model.savers]


def test_a_filename_tensor_given_is_the_first_savers(tmp_path: Path) -> None:
    """Those after it keep their own."""
    path = written(tmp_path / "m", meta_graph())
    saver = written(tmp_path / "saver", SaverDef(restore_op_name="y", filename_tensor_name="x:0"))
    model = load(ModelSource(path, saver=saver), FreezeOptions(filename_tensor="y"))
    assert [("y", "y:0"), ("save/restore_all", "save/Const:0")] == [
        (saver.restore_op, saver.filename_tensor) for saver in model.savers
    ]


def test_a_restore_op_given_stands_alone(tmp_path: Path) -> None:
    """--restore-op and --filename-tensor are used, with or without `:0`."""
    path = written(tmp_path / "m", meta_graph())
    model = loaded(path, restore_op="y:0", filename_tensor="x")
    assert [("y", "x:0")] == [(saver.restore_op, saver.filename_tensor) for saver in model.savers]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"restore_op": "yy"}, Reason.RESTORE_OP_NOT_FOUND),
        ({"restore_op": "y", "filename_tensor": "z:0"}, Reason.FILENAME_TENSOR_NOT_FOUND),
        ({"filename_tensor": "z:0"}, Reason.FILENAME_TENSOR_NOT_FOUND),
    ],
)
def test_a_saver_given_must_be_there(tmp_path: Path, options: dict[str, str], reason: Reason) -> None:
    """A restore op or filename tensor that is not in the graph is an error with the nearest names."""
    error = failure(written(tmp_path / "m", meta_graph()), **options)
    assert reason == error.reason
    assert "'x'" in error.message or "'y'" in error.message


def test_savers_of_the_collection(tmp_path: Path) -> None:
    """Further savers of the graph are listed after the MetaGraph's own, which is not listed twice."""
    message = meta_graph()
    other = SaverDef(restore_op_name="save_1/restore_all", filename_tensor_name="save_1/Const:0")
    message.collection_def["savers"].bytes_list.value.extend(
        [message.saver_def.SerializeToString(), other.SerializeToString()]
    )
    model = loaded(written(tmp_path / "m", message))
    assert ["save/restore_all", "save_1/restore_all"] == [saver.restore_op for saver in model.savers]


def test_init_ops_and_signatures_of_the_loader(tmp_path: Path) -> None:
    """The loader's own signatures are none of the user's; its init op goes before the collections."""
    message = meta_graph("serve")
    message.collection_def["legacy_init_op"].node_list.value.append("legacy")
    path = tmp_path / "m"
    assert ("legacy",) == loaded(written(path, message)).init_ops
    message.collection_def["saved_model_main_op"].node_list.value.append("main")
    assert ("main",) == loaded(written(path, message)).init_ops
    message.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name = "NoOp:0"
    message.signature_def["__saved_model_train_op"].outputs["__saved_model_train_op"].name = "train"
    message.signature_def["serving_default"].outputs["y"].name = "y:0"
    model = loaded(written(path, message))
    assert ("NoOp",) == model.init_ops
    assert ["serving_default"] == list(model.signatures)


def test_composite_tensors_are_their_components(tmp_path: Path) -> None:
    """A sparse tensor of a signature is three tensors, a ragged one as many as it has."""
    message = meta_graph("serve")
    inputs = message.signature_def["s"].inputs
    sparse = inputs["sparse"]
    sparse.dtype = 1
    sparse.tensor_shape.dim.add(size=-1)
    sparse.tensor_shape.dim.add(size=7)
    sparse.coo_sparse.values_tensor_name = "v:0"
    sparse.coo_sparse.indices_tensor_name = "i:0"
    sparse.coo_sparse.dense_shape_tensor_name = "d:0"
    for name in ("flat:0", "splits:0"):
        inputs["ragged"].composite_tensor.components.add(name=name, dtype=9)
    found = loaded(written(tmp_path / "m", message)).signatures["s"].inputs
    assert {
        "ragged/0": ("flat:0", 9, ()),
        "ragged/1": ("splits:0", 9, ()),
        "sparse/dense_shape": ("d:0", 9, (2,)),
        "sparse/indices": ("i:0", 9, (-1, 2)),
        "sparse/values": ("v:0", 1, (-1,)),
    } == {key: (info.tensor, info.dtype, info.shape) for key, info in found.items()}


@pytest.mark.parametrize("filename", ["../x", "/etc/passwd", "a/../../b", "a//b", "", ".", "a\\b", "a\0b"])
def test_an_asset_stays_in_its_folder(tmp_path: Path, filename: str) -> None:
    """An asset whose name leads out of `assets/` is an error."""
    message = meta_graph("serve")
    message.asset_file_def.add(filename=filename).tensor_info.name = "x:0"
    assert Reason.MALFORMED_MODEL == failure(written(tmp_path / "m", message)).reason


def test_asset_file_defs_go_before_the_collection(tmp_path: Path) -> None:
    """Assets come from `asset_file_def`; the older collection counts where that is empty."""
    message = meta_graph("serve")
    old = AssetFileDef(filename="old.txt")
    old.tensor_info.name = "x"
    packed = message.collection_def["saved_model_assets"].any_list.value.add()
    packed.type_url, packed.value = "type.googleapis.com/tensorflow.AssetFileDef", old.SerializeToString()
    path = tmp_path / "m"
    assert {"x:0": "old.txt"} == dict(loaded(written(path, message)).assets)
    message.asset_file_def.add(filename="dir/new.txt").tensor_info.name = "x:0"
    assert {"x:0": "dir/new.txt"} == dict(loaded(written(path, message)).assets)


def test_an_op_list_adds_definitions(tmp_path: Path) -> None:
    """--op-list FILE, binary or text, defines what the model does not; the model's own stand first."""
    path = written(tmp_path / "m", meta_graph())
    op_list = tmp_path / "ops.pbtxt"
    op_list.write_text('op { name: "Custom>Other" } op { name: "Custom>Op" summary: "not this one" }')
    model = load(ModelSource(path, op_list=op_list), FreezeOptions())
    own = model.op_defs.find("Custom>Op")
    assert model.op_defs.find("Custom>Other") is not None
    assert own is not None
    assert "" == own.summary
