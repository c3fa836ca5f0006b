"""Odd paths on the command line: other names of standard output, empty ones, names that are not UTF-8."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from cli.program import DIGITS, PROGRAM, environment, tffreeze

NOT_UTF8 = b"a\xff"


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a freeze writes to a file."""
    path = tmp_path_factory.mktemp("frozen") / "f.pb"
    assert tffreeze("freeze", DIGITS, "-o", str(path)).code == 0
    return path.read_bytes()


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_stdout_by_another_name_gets_nothing_but_the_graph(name: str, frozen: bytes) -> None:
    """The summary goes to stderr, as with `-`; the report cannot go there too."""
    run = tffreeze("freeze", DIGITS, "-o", name)
    assert (0, frozen, True) == (run.code, run.out_bytes, "frozen: 7 variables" in run.err)
    for report in ("-", "/dev/stdout"):
        run = tffreeze("freeze", DIGITS, "-o", name, "--report", report)
        assert (2, b"", True) == (run.code, run.out_bytes, "both write to stdout" in run.err)
    report = tffreeze("freeze", DIGITS, "-o", "/dev/null", "--report", name)
    assert "saved_model" == json.loads(report.out)["kind"]


def test_freeze_graph_to_stdout_writes_nothing_but_the_graph() -> None:
    """The script itself knows no `-`; /dev/stdout works."""
    run = tffreeze(
        "freeze-graph",
        f"--input_saved_model_dir={DIGITS}",
        "--output_node_names=StatefulPartitionedCall",
        "--output_graph=/dev/stdout",
    )
    assert (0, True) == (run.code, "frozen: 7 variables" in run.err)
    assert b"frozen: " not in run.out_bytes


def test_a_file_that_stdout_goes_to_is_stdout(frozen: bytes, tmp_path: Path) -> None:
    """`-o f > f` is the graph alone."""
    with (tmp_path / "f").open("wb") as file:
        subprocess.run(
            [*PROGRAM, "freeze", DIGITS, "-o", str(tmp_path / "f")],
            stdout=file,
            stderr=subprocess.DEVNULL,
            env=environment(),
            check=True,
        )
    assert frozen == (tmp_path / "f").read_bytes()


def test_dev_null_is_no_stdout() -> None:
    """Both the graph and the report may go there, and stdout too."""
    run = subprocess.run(
        [*PROGRAM, "freeze", DIGITS, "-o", "/dev/null", "--report", "/dev/null"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(),
        check=False,
    )
    assert (0, b"") == (run.returncode, run.stderr)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["", "-o", "f"], "it is empty"),
        ([DIGITS, "-o", ""], "-o is empty"),
        ([DIGITS, "-o", "f", "--report", ""], "--report is empty"),
        ([DIGITS, "-o", "new/"], "the name of a folder"),
        ([DIGITS, "-o", "f", "--report", "new/"], "the name of a folder"),
    ],
)
def test_a_path_that_names_no_file_is_wrong_usage(arguments: list[str], says: str, tmp_path: Path) -> None:
    """An unset variable of a shell is not the current folder, and nothing is written."""
    run = tffreeze("freeze", *arguments, cwd=tmp_path)
    assert (2, True, []) == (run.code, says in run.err, list(tmp_path.iterdir()))


def test_a_saved_model_may_end_in_a_slash(tmp_path: Path) -> None:
    """It is a folder."""
    run = tffreeze("freeze", DIGITS, "--saved-model", "-q", "-o", "new/", cwd=tmp_path)
    assert (0, ["saved_model.pb"]) == (run.code, [path.name for path in (tmp_path / "new").iterdir()])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--output-nodes", os.fsdecode(NOT_UTF8)],
        ["--tags", os.fsdecode(NOT_UTF8)],
        ["--restore-op", os.fsdecode(NOT_UTF8)],
        ["--server", os.fsdecode(NOT_UTF8)],
        ["--server", "localhost:1", "--model-root", os.fsdecode(NOT_UTF8)],
        ["--server", "localhost:1", "--model-root", "root", "--checkpoint", os.fsdecode(NOT_UTF8)],
        ["--server", "localhost:1", "--saved-model"],
    ],
)
def test_a_name_that_is_not_utf8_has_a_reason(arguments: list[str], tmp_path: Path) -> None:
    """Models and messages hold only UTF-8: whatever is named otherwise is not there."""
    model = tmp_path / "model"
    (model / "assets").mkdir(parents=True)
    (model / "saved_model.pb").write_bytes(b"")
    Path(os.fsdecode(os.fsencode(model / "assets") + b"/" + NOT_UTF8)).write_bytes(b"")
    run = tffreeze("freeze", str(model), "-o", str(tmp_path / "f"), *arguments)
    assert (2, True, True) == (run.code, "reason: INVALID_OPTION" in run.err, "not UTF-8" in run.err)


def test_paths_that_are_not_utf8_are_taken(frozen: bytes, tmp_path: Path) -> None:
    """They are only names of files: model, output, report."""
    link, out, report = (tmp_path / os.fsdecode(name + NOT_UTF8) for name in (b"m", b"o", b"r"))
    link.symlink_to(DIGITS)
    run = tffreeze("freeze", str(link), "-o", str(out), "--report", str(report))
    assert (0, frozen) == (run.code, out.read_bytes())
    assert "o" + "a\\udcff: " in run.out
    remote = tffreeze("freeze", str(link), "-o", str(out), "--server", "localhost:1", "--timeout", "1")
    assert "reason: UNAVAILABLE" in remote.err


def test_paths_below_a_model_root_are_not_looked_for_here(tmp_path: Path) -> None:
    """Nothing here of the same name stands in the way."""
    for name in ("model", "saver", "ops"):
        (tmp_path / name).mkdir(mode=0)
    arguments = ("--saver", "saver", "--op-list", "ops", "--checkpoint", "model", "--model-root", "root")
    server = ("--server", "localhost:1", "--timeout", "1")
    run = tffreeze("freeze", "model", "-o", "f", *arguments, *server, cwd=tmp_path)
    assert (4, True) == (run.code, "reason: UNAVAILABLE" in run.err)


def test_a_token_is_short(tmp_path: Path) -> None:
    """A device without end is refused; a pipe is read."""
    server = ("--server", "freeze.example:1", "--timeout", "1")
    run = tffreeze("freeze", DIGITS, "-o", "f", "--token-file", "/dev/zero", *server, cwd=tmp_path)
    assert (2, True) == (run.code, "longer than any token" in run.err)
    ours, theirs = os.pipe()
    os.write(theirs, b"token\n")
    os.close(theirs)
    piped = subprocess.run(
        [*PROGRAM, "freeze", DIGITS, "-o", "f", "--token-file", f"/dev/fd/{ours}", *server],
        pass_fds=[ours],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    os.close(ours)
    assert "in plaintext" in piped.stderr
