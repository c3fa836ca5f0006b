"""`tffreeze freeze-graph` and `compat.freeze_graph`: a drop-in for TensorFlow's tool."""

from __future__ import annotations

import inspect
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.program import DIGITS, FIXTURES, tffreeze
from tffreeze.cli.freeze_graph import command
from tffreeze_common.freeze_graph_flags import FreezeGraphFlags
from tffreeze_server.compat.freeze_graph import freeze_graph, freeze_graph_with_def_protos
from tffreeze_server.tfproto.graph_pb2 import GraphDef
from tffreeze_server.tfproto.saved_model_pb2 import MetaGraphDef

GRAPH = str(FIXTURES / "graph_v1" / "graph.pbtxt")
CHECKPOINT = str(FIXTURES / "graph_v1" / "model")
META = str(FIXTURES / "moving_average" / "model.meta")
META_CHECKPOINT = str(FIXTURES / "moving_average" / "model")


def test_flags_freeze_a_graph(tmp_path: Path) -> None:
    """A command line for the original writes the same graph as the new one."""
    flags = ("--input_graph", GRAPH, f"--input_checkpoint={CHECKPOINT}", "--output_node_names=y")
    run = tffreeze("freeze-graph", *flags, "--output_graph=old.pb", "--input_binary=false", cwd=tmp_path)
    assert run.code == 0, run.err
    new = ("--checkpoint", CHECKPOINT, "--output-nodes", "y", "--clear-devices", "-o", "new.pb")
    tffreeze("freeze", GRAPH, *new, cwd=tmp_path)
    assert (tmp_path / "new.pb").read_bytes() == (tmp_path / "old.pb").read_bytes()


@pytest.mark.parametrize(
    "flag", ["--input_binary", "--input_binary=true", "--input_binary=True", "--input_binary=0"]
)
def test_booleans_are_read_as_the_script_reads_them(flag: str, tmp_path: Path) -> None:
    """A boolean alone, with any spelling of true, or with anything else is no error."""
    run = tffreeze(
        "freeze-graph", flag, "--clear_devices", f"--input_saved_model_dir={DIGITS}",
        "--output_node_names=StatefulPartitionedCall", "--output_graph=f.pb", cwd=tmp_path,
    )  # fmt: skip
    assert run.code == 0, run.err


def test_mistakes_end_with_exit_code_2(tmp_path: Path) -> None:
    """What the original tells by a traceback is told in words."""
    run = tffreeze(
        "freeze-graph",
        "--input_graph",
        GRAPH,
        "--input_checkpoint",
        "nope",
        "--output_node_names=y",
        cwd=tmp_path,
    )
    assert (run.code, "reason: CHECKPOINT_NOT_FOUND" in run.err) == (2, True)


def test_the_moving_averages_of_a_saver_are_taken() -> None:
    """The MetaGraph's own saver counts, whatever the defaults of the flags are."""
    by_meta = _freeze(input_meta_graph=META, input_checkpoint=META_CHECKPOINT, output_node_names="y")
    named = _freeze(
        input_meta_graph=META,
        input_checkpoint=META_CHECKPOINT,
        output_node_names="y",
        restore_op_name="save_1/restore_all",
        filename_tensor_name="save_1/Const:0",
    )
    assert by_meta == named


def test_a_restore_op_that_is_named_is_used() -> None:
    """Another saver gives other weights, and one that is not there is the caller's mistake."""
    flags = {"input_meta_graph": META, "input_checkpoint": META_CHECKPOINT, "output_node_names": "y"}
    with pytest.raises(ValueError, match="nowhere"):
        _freeze(**flags, restore_op_name="nowhere")


def test_a_bare_graph_is_restored_by_the_ops_that_are_named(tmp_path: Path) -> None:
    """A GraphDef alone gives the weights of the restore op that is named, also under its default name."""
    meta = MetaGraphDef.FromString(Path(META).read_bytes())
    graph = tmp_path / "graph.pb"
    graph.write_bytes(meta.graph_def.SerializeToString())
    flags = {"input_graph": str(graph), "input_checkpoint": META_CHECKPOINT, "output_node_names": "y"}
    averages = _freeze(input_meta_graph=META, input_checkpoint=META_CHECKPOINT, output_node_names="y")
    assert _freeze(**flags, restore_op_name="save_1/restore_all") == averages
    renamed = _renamed(meta.graph_def, {"save": "other", "save_1": "save"})
    graph.write_bytes(renamed.SerializeToString())
    assert _weights(_freeze(**flags)) == _weights(averages)


def _renamed(graph: GraphDef, scopes: dict[str, str]) -> GraphDef:
    """The same graph with other names for some scopes."""

    def rename(name: str) -> str:
        scope, slash, rest = name.removeprefix("^").partition("/")
        return ("^" if name.startswith("^") else "") + scopes.get(scope, scope) + slash + rest

    result = GraphDef()
    result.CopyFrom(graph)
    for node in result.node:
        node.name = rename(node.name)
        node.input[:] = [rename(name) for name in node.input]
        node.attr.pop("_class", None)
    return result


def _weights(graph: Any) -> dict[str, bytes]:
    return {node.name: node.attr["value"].tensor.tensor_content for node in graph.node if node.op == "Const"}


@pytest.mark.parametrize(
    "changes",
    [
        {"input_checkpoint": "nope"},
        {"input_checkpoint": ""},
        {"output_node_names": ""},
        {"output_node_names": "nope"},
        {"input_graph": ""},
        {"checkpoint_version": 3},
        {"variable_names_whitelist": "nope"},
    ],
)
def test_a_callers_mistake_is_a_value_error(changes: dict[str, Any]) -> None:
    """Where the original raises a ValueError, or says nothing of a mistake, a ValueError is raised."""
    flags = {"input_graph": GRAPH, "input_checkpoint": CHECKPOINT, "output_node_names": "y", **changes}
    with pytest.raises(ValueError, match=r"\[[A-Z_]+\]"):
        _freeze(**flags)


def test_a_graph_that_is_not_there_is_an_io_error() -> None:
    """As with the original: callers that catch it go on working."""
    with pytest.raises(OSError, match="nope"):
        _freeze(input_graph="nope", input_checkpoint=CHECKPOINT, output_node_names="y")


def test_a_graph_is_not_frozen_twice(tmp_path: Path) -> None:
    """A bare graph without variables is a mistake here, as in the original."""
    frozen = str(tmp_path / "frozen.pb")
    _freeze(input_graph=GRAPH, input_checkpoint=CHECKPOINT, output_node_names="y", output_graph=frozen)
    with pytest.raises(ValueError, match="may be frozen already"):
        _freeze(input_graph=frozen, input_checkpoint=CHECKPOINT, output_node_names="y")


def test_a_whitelist_leaves_the_others_as_variables() -> None:
    """Only the variables of the list are frozen."""
    graph = _freeze(
        input_graph=GRAPH, input_checkpoint=CHECKPOINT, output_node_names="y", variable_names_whitelist="w"
    )
    ops = {node.name: node.op for node in graph.node}
    assert (ops["w"], ops["b"].startswith("Var")) == ("Const", True)


def test_without_tensorflow_the_result_is_our_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """The result has the same fields where TensorFlow is not installed."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    graph = _freeze(input_graph=GRAPH, input_checkpoint=CHECKPOINT, output_node_names="y")
    assert isinstance(graph, GraphDef)


@pytest.mark.tensorflow
def test_the_result_is_tensorflows_message_and_runs() -> None:
    """A caller can hand the result to TensorFlow; it gives what the unfrozen model gave."""
    tf = pytest.importorskip("tensorflow")
    np = pytest.importorskip("numpy")
    golden = np.load(FIXTURES / "graph_v1" / "golden.npz")
    feeds = {key.removeprefix("in|"): golden[key] for key in golden if key.startswith("in|")}
    expected = {key.removeprefix("out|"): golden[key] for key in golden if key.startswith("out|")}
    names = ",".join(name.removesuffix(":0") for name in expected)
    frozen = _freeze(input_graph=GRAPH, input_checkpoint=CHECKPOINT, output_node_names=names)
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        tf.import_graph_def(frozen, name="")
        for name, value in expected.items():
            np.testing.assert_allclose(session.run(name, feeds), value, rtol=1e-6)


@pytest.mark.tensorflow
def test_parameters_are_those_of_tensorflow() -> None:
    """Names, order and defaults are the original's; `FreezeGraphFlags` and the command line have the same names."""
    original = pytest.importorskip("tensorflow.python.tools.freeze_graph").freeze_graph
    theirs, ours = (inspect.signature(function).parameters for function in (original, freeze_graph))
    assert list(theirs) == list(ours)
    assert [p.default for p in theirs.values()] == [p.default for p in ours.values()]
    assert list(theirs) == list(FreezeGraphFlags.__dataclass_fields__)
    assert set(theirs) == {parameter.name for parameter in command.params}


@pytest.mark.tensorflow
def test_flags_are_those_of_tensorflows_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and defaults of the flags are the script's."""
    script = pytest.importorskip("tensorflow.python.tools.freeze_graph")
    seen: dict[str, Any] = {}
    monkeypatch.setattr(sys, "argv", ["freeze_graph"])
    monkeypatch.setattr(script.app, "run", lambda main, argv: main(argv))
    monkeypatch.setattr(script, "main", lambda _, flags: seen.update(vars(flags)))
    script.run_main()
    assert seen == {parameter.name: parameter.default for parameter in command.params}


def _freeze(**flags: Any) -> Any:
    required = {
        "input_graph": "", "input_saver": "", "input_binary": False, "input_checkpoint": "", "output_node_names": "",
        "restore_op_name": "save/restore_all", "filename_tensor_name": "save/Const:0", "output_graph": "",
        "clear_devices": True, "initializer_nodes": "",
    }  # fmt: skip
    return freeze_graph(**{**required, **flags})


def test_messages_in_memory_freeze_like_files(tmp_path: Path) -> None:
    """`freeze_graph_with_def_protos` gives and writes what `freeze_graph` does, and leaves its arguments alone."""
    meta_graph = MetaGraphDef.FromString(Path(META).read_bytes())
    before = meta_graph.SerializeToString(deterministic=True)
    names = ("save/restore_all", "save/Const:0")
    expected = freeze_graph("", "", True, META_CHECKPOINT, "y", *names, "", True, "", input_meta_graph=META)
    output = tmp_path / "out.pb"
    for model in ({"input_meta_graph_def": meta_graph}, {"graph": meta_graph.graph_def}):
        found = freeze_graph_with_def_protos(
            model.pop("graph", None),
            meta_graph.saver_def,
            META_CHECKPOINT,
            "y",
            *names,
            str(output),
            True,
            "",
            **model,
        )
        assert expected == found
        assert expected.SerializeToString(deterministic=True) == output.read_bytes()
    assert before == meta_graph.SerializeToString(deterministic=True)


def test_a_saved_model_needs_no_messages() -> None:
    """Its directory alone is enough; tags are a list."""
    found = [
        freeze_graph_with_def_protos(
            None, None, None, "StatefulPartitionedCall", None, None, "", True, "",
            input_saved_model_dir=DIGITS, saved_model_tags=tags,
        )
        for tags in (None, ["serve"])
    ]  # fmt: skip
    assert found[0] == found[1]


def test_an_output_is_none_of_the_files_that_are_read(tmp_path: Path) -> None:
    """Graph and checkpoint stay as they are."""
    for name in ("graph.pbtxt", "model"):
        shutil.copy(FIXTURES / "graph_v1" / name, tmp_path / name)
    for name in ("graph.pbtxt", "model"):
        before = (tmp_path / name).read_bytes()
        graph, checkpoint, output = (str(tmp_path / file) for file in ("graph.pbtxt", "model", name))
        with pytest.raises(OSError, match="one of the input files"):
            freeze_graph(graph, "", False, checkpoint, "y", "", "", output, True, "")
        assert before == (tmp_path / name).read_bytes()


def test_the_functions_messages_name_its_own_flags() -> None:
    """No flag of `tffreeze freeze` is in them."""
    with pytest.raises(ValueError, match="--variable_names_denylist") as caught:
        freeze_graph(GRAPH, "", False, CHECKPOINT, "w/Assign", "", "", "", True, "")
    assert "--deny " not in str(caught.value)
