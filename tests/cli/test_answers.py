"""What is given in the place of a model, a checkpoint or an output is told by what it is, locally and by a server."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tffreeze
from cli.program import DIGITS, FIXTURES, start
from cli.program import tffreeze as run
from rpc.harness import Served, served

MOVING = FIXTURES / "moving_average"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the sample models as a model root."""
    with served(tmp_path_factory.mktemp("server"), model_roots={"samples": FIXTURES}) as running:
        yield running


@pytest.fixture(params=["local", "server"])
def freezer(request: pytest.FixtureRequest, server: Served) -> Iterator[Any]:
    """Who freezes: the engine in this process, or a server."""
    if request.param == "local":
        yield tffreeze
        return
    with tffreeze.Client(f"localhost:{server.port}", timeout_seconds=60) as client:
        yield client


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies of sample models, in the working directory."""
    shutil.copytree(DIGITS, tmp_path / "digits")
    shutil.copytree(MOVING, tmp_path / "moving")
    (tmp_path / "alone").mkdir()
    for name in ("model.index", "model.data-00000-of-00001"):
        shutil.copy(MOVING / name, tmp_path / "alone" / name)
    (tmp_path / "pointer.pb").write_bytes(POINTER)
    (tmp_path / "model.keras").write_bytes(b"PK\x03\x04" + bytes(99))
    (tmp_path / "model.h5").write_bytes(b"\x89HDF\r\n" + bytes(99))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("model", "reason", "says"),
    [
        (
            "digits/variables/variables",
            "MODEL_NOT_FOUND",
            "prefix of a checkpoint.*SavedModel above it: 'digits'",
        ),
        ("digits/variables", "MODEL_NOT_FOUND", "SavedModel above it: 'digits'"),
        ("digits/variables/variables.index", "MODEL_NOT_FOUND", "index of a checkpoint.*above it: 'digits'"),
        ("moving/model", "MODEL_NOT_FOUND", "prefix of a checkpoint.*in 'model.meta'"),
        ("moving/model.index", "MODEL_NOT_FOUND", "index of a checkpoint.*in 'model.meta'"),
        (
            "alone/model.index",
            "MODEL_NOT_FOUND",
            "Give the graph as the model, and 'model' with --checkpoint",
        ),
        (
            "alone/model.data-00000-of-00001",
            "MODEL_NOT_FOUND",
            "a data file of a checkpoint.*'model' with --checkpoint",
        ),
        (FIXTURES / "graph_v1" / "model", "MODEL_NOT_FOUND", "a V1 checkpoint"),
        (
            "gs://bucket/model",
            "MODEL_NOT_FOUND",
            "'gs://bucket/model' is a URL.*Copy the model to this machine",
        ),
        ("https://example.org/model.pb", "MODEL_NOT_FOUND", "is a URL"),
        ("pointer.pb", "FILE_NOT_READABLE", "git lfs pull"),
        ("model.keras", "MALFORMED_MODEL", "zip archive.*model.export"),
        ("model.h5", "MALFORMED_MODEL", "HDF5.*model.export"),
        ("nul\0inside", "MODEL_NOT_FOUND", "nul"),
    ],
)
def test_what_is_no_model_is_told_by_what_it_is(freezer: Any, model: Any, reason: str, says: str) -> None:
    """Each has its own answer, with the next step."""
    with pytest.raises(tffreeze.TffreezeError, match=f"(?s){says}") as caught:
        freezer.freeze_bytes(model)
    assert reason == caught.value.reason


@pytest.mark.parametrize(
    "file", ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"]
)
def test_a_file_that_git_lfs_did_not_fetch(freezer: Any, file: str, models: Path) -> None:
    """Whichever file of a model it is: fetch it."""
    (models / "digits" / file).write_bytes(POINTER)
    with pytest.raises(tffreeze.TffreezeError, match="git lfs pull") as caught:
        freezer.freeze_bytes("digits")
    assert "FILE_NOT_READABLE" == caught.value.reason


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("checkpoint", "says"), [("s3://bucket/model", "is a URL.*prefix of the copy"), ("nowhere", "nowhere")]
)
def test_what_is_no_checkpoint_is_told_by_what_it_is(freezer: Any, checkpoint: str, says: str) -> None:
    """URLs are not read."""
    with pytest.raises(tffreeze.NotFoundError, match=says) as caught:
        freezer.freeze_bytes("moving/model.meta", checkpoint=checkpoint, output_nodes="y")
    assert "CHECKPOINT_NOT_FOUND" == caught.value.reason


def test_a_saved_model_is_a_checkpoint(freezer: Any, models: Path) -> None:
    """Its checkpoint is variables/variables; without that folder the error says so."""
    expected = freezer.freeze_bytes("digits").data
    shutil.copytree("digits", "other")
    shutil.rmtree(models / "digits" / "variables")
    assert expected == freezer.freeze_bytes("digits", checkpoint="other").data
    with pytest.raises(tffreeze.NotFoundError, match="CHECKPOINT_NOT_FOUND"):
        freezer.freeze_bytes("digits", checkpoint="digits")


@pytest.mark.usefixtures("models")
def test_a_meta_file_brings_its_checkpoint(freezer: Any) -> None:
    """The checkpoint beside it is used, and the report says so; the caller's own goes before it."""
    expected = freezer.freeze_bytes("moving/model.meta", checkpoint="moving/model", output_nodes="y")
    found = freezer.freeze_bytes("moving/model.meta", output_nodes="y")
    assert expected.data == found.data
    assert [] == [warning.code for warning in expected.report.warnings]
    assert ["CHECKPOINT_BESIDE"] == [warning.code for warning in found.report.warnings]
    shutil.copy("moving/model.meta", "alone.meta")
    with pytest.raises(tffreeze.RequestError, match="CHECKPOINT_NEEDED"):
        freezer.freeze_bytes("alone.meta", output_nodes="y")


def test_a_meta_file_of_a_model_root_brings_its_checkpoint(server: Served) -> None:
    """A server finds it too."""
    with tffreeze.Client(f"localhost:{server.port}", timeout_seconds=60) as client:
        frozen = client.freeze_bytes("moving_average/model.meta", model_root="samples", output_nodes="y")
    assert frozen.data == tffreeze.freeze_bytes(MOVING / "model.meta", output_nodes="y").data


@pytest.mark.parametrize(
    "file",
    [
        "saved_model.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
        "saver",
        "ops",
        "ckpt.index",
    ],
)
@pytest.mark.parametrize("way", ["itself", "link"])
def test_no_file_that_is_read_is_an_output(freezer: Any, file: str, way: str, models: Path) -> None:
    """Model, index, weights, saver, op list, checkpoint: refused before any work, and all stay as they are."""
    folder = models / "digits"
    (folder / "saver").write_text("restore_op_name: 'x'")
    (folder / "ops").write_text("")
    for end in ("index", "data-00000-of-00001"):
        shutil.copy(folder / "variables" / f"variables.{end}", folder / f"ckpt.{end}")
    options = {"saver": folder / "saver", "op_list": folder / "ops"}
    if file == "ckpt.index":
        options["checkpoint"] = folder / "ckpt"
    before = (folder / file).read_bytes()
    output = folder / file
    if way == "link":
        output = models / "out.pb"
        output.hardlink_to(folder / file)
    with pytest.raises(tffreeze.RequestError, match="one of the input files") as caught:
        freezer.freeze(folder, output=output, **options)
    assert "OUTPUT_NOT_WRITABLE" == caught.value.reason
    assert before == (folder / file).read_bytes()


def test_the_callers_exceptions_pass_unchanged(freezer: Any, models: Path) -> None:
    """An OSError of `on_progress` is the caller's own, and leaves no file."""
    error = OSError(28, "mine")

    def fail(_done: int, _total: int) -> None:
        raise error

    with pytest.raises(OSError, match="mine") as caught:
        freezer.freeze("digits", output="out.pb", on_progress=fail)
    assert error is caught.value
    assert not (models / "out.pb").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_this_machines_full_disk_is_not_tried_again(freezer: Any) -> None:
    """A server's disk may have room a moment later; for this one the caller has to do something."""
    with pytest.raises(tffreeze.ServiceError) as caught:
        freezer.freeze(DIGITS, output="/dev/full")
    assert ("DISK_FULL", False) == (caught.value.reason, caught.value.retryable)


@pytest.mark.parametrize("report", ["out.pb", "link.pb", "digits/saved_model.pb"])
def test_a_report_is_neither_the_output_nor_an_input(report: str, models: Path) -> None:
    """It would take the place of the graph, or of the model: refused before any work."""
    (models / "link.pb").symlink_to("out.pb")
    done = run("freeze", "digits", "-o", "out.pb", "--report", report, cwd=models)
    assert (2, True) == (done.code, "reason: OUTPUT_NOT_WRITABLE" in done.err)
    assert not (models / "out.pb").exists()


@pytest.mark.parametrize(
    "report", ["out", "out/", "digits/saved_model.pb", "digits/variables/variables.index"]
)
def test_a_report_beside_a_saved_model_is_no_input(report: str, models: Path) -> None:
    """Nor the directory itself."""
    before = (models / "digits" / "saved_model.pb").read_bytes()
    done = run("freeze", "digits", "--saved-model", "-o", "out", "--report", report, cwd=models)
    assert (2, False) == (done.code, (models / "out").exists())
    assert before == (models / "digits" / "saved_model.pb").read_bytes()


def test_a_report_can_be_in_the_saved_model(models: Path) -> None:
    """In the directory that appears."""
    done = run("freeze", "digits", "--saved-model", "-o", "out", "--report", "out/r.json", "-q", cwd=models)
    assert (0, ["r.json", "saved_model.pb"]) == (
        done.code,
        sorted(path.name for path in (models / "out").iterdir()),
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["inspect", DIGITS], 2),
        (["inspect", "--json", DIGITS], 2),
        (["freeze", DIGITS, "-o", "-"], 2),
        (["freeze", DIGITS, "-o", "f.pb", "--report", "-"], 2),
        (["freeze", DIGITS, "-o", "f.pb"], 0),
    ],
)
def test_a_closed_stdout(arguments: list[str], code: int, tmp_path: Path) -> None:
    """What was to go there is an error, before any work; a summary is not missed."""
    process = start(*arguments, cwd=tmp_path, stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1))  # type: ignore[arg-type]
    _, err = process.communicate(timeout=60)
    assert (code, bool(code)) == (process.returncode, b"reason: OUTPUT_NOT_WRITABLE" in err)
    assert (["f.pb"] if code == 0 else []) == [path.name for path in tmp_path.iterdir()]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", DIGITS],
        ["inspect", "--json", DIGITS],
        ["freeze", DIGITS, "-o", "-"],
        ["freeze", DIGITS, "-q", "-o", "/dev/null", "--report", "-"],
        ["--help"],
        ["completion", "bash"],
    ],
)
def test_a_full_stdout(arguments: list[str]) -> None:
    """A disk that is full, in one line."""
    with Path("/dev/full").open("wb") as full:
        process = start(*arguments, stdout=full.fileno(), stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=60)
    assert (1, True, False) == (
        process.returncode,
        b"reason: DISK_FULL" in err,
        b"Traceback" in err or b"ignored" in err,
    )


def test_a_report_in_ascii(tmp_path: Path) -> None:
    """What a terminal cannot show is escaped; a report is UTF-8 whatever the locale."""
    model = tmp_path / "größe.pb"
    shutil.copy(Path(DIGITS) / "saved_model.pb", model)
    done = run("freeze", str(model), "-o", "f.pb", cwd=tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (2, False) == (done.code, "Traceback" in done.err or "INTERNAL" in done.err)


@pytest.mark.parametrize(
    ("arguments", "says", "not_says"),
    [
        (["--output_node_names=nowhere"], "--output_node_names", "--output-nodes"),
        (["--output_node_names=y", "--variable_names_denylist=no"], "", "--deny"),
        ([], "--output_node_names", "--output-nodes"),
    ],
)
def test_freeze_graph_names_its_own_flags(arguments: list[str], says: str, not_says: str) -> None:
    """Messages and next steps are in the words of the command that was used."""
    v1 = FIXTURES / "graph_v1"
    done = run(
        "freeze-graph",
        f"--input_graph={v1 / 'graph.pbtxt'}",
        f"--input_checkpoint={v1 / 'model'}",
        *arguments,
    )
    assert (2, True, False) == (done.code, says in done.err, not_says in done.err)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("model", "step"),
    [
        ("digits/variables/variables", "next: give the SavedModel digits."),
        ("digits/variables", "next: give the SavedModel digits."),
        ("nothing", "next: give a SavedModel directory, or a GraphDef or MetaGraphDef file."),
    ],
)
def test_a_next_step_names_the_model_as_it_was_typed(model: str, step: str) -> None:
    """A relative path stays relative."""
    assert step in run("freeze", model, "-o", "x.pb").err.splitlines()


def test_the_next_command_can_be_run(models: Path) -> None:
    """It holds the model as it was typed, quoted for a shell."""
    (models / "digits").rename(models / "my digits")
    shown = run("freeze", "my digits", "--signature", "predict", "-o", "x.pb").err.splitlines()
    step = "next: `tffreeze inspect 'my digits'` lists the signatures; choose with --signature KEY."
    assert step in shown
