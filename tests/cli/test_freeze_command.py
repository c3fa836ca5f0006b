"""`tffreeze freeze`, run as a process."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from cli.program import DIGITS, FIXTURES, tffreeze


def test_freeze_writes_a_file_and_a_summary(tmp_path: Path) -> None:
    """The file is there, stdout holds the summary, stderr nothing: a pipe gets no bar."""
    run = tffreeze("freeze", DIGITS, "-o", "frozen.pb", cwd=tmp_path)
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith("frozen.pb: ")
    assert all(word in run.out for word in ("inputs:", "outputs:", "frozen: ", "dropped: ", "float32 [?, "))
    assert [path.name for path in tmp_path.iterdir()] == ["frozen.pb"]
    assert "\x1b" not in run.out


def test_sha256_is_told_on_request(tmp_path: Path) -> None:
    """The summary has the sha256 of the file, as `sha256sum` says it."""
    run = tffreeze("freeze", DIGITS, "--sha256", "-o", "frozen.pb", cwd=tmp_path)
    digest = hashlib.sha256((tmp_path / "frozen.pb").read_bytes()).hexdigest()
    assert f"sha256: {digest}" == run.out.splitlines()[1]
    assert "sha256" not in tffreeze("freeze", DIGITS, "-o", "frozen.pb", cwd=tmp_path).out


def test_report_holds_the_result(tmp_path: Path) -> None:
    """The report is JSON with the size of the file."""
    run = tffreeze("freeze", DIGITS, "-q", "--report", "report.json", "-o", "frozen.pb", cwd=tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert (run.code, run.out, run.err) == (0, "", "")
    assert (tmp_path / "frozen.pb").stat().st_size == report["size_bytes"]


def test_report_to_stdout_is_nothing_but_json(tmp_path: Path) -> None:
    """`--report -` can be piped; the summary goes to stderr."""
    run = tffreeze("freeze", DIGITS, "--report", "-", "-o", "frozen.pb", cwd=tmp_path)
    assert (run.code, json.loads(run.out)["kind"]) == (0, "saved_model")
    assert "frozen.pb: " in run.err


def test_stdout_gets_the_same_bytes(tmp_path: Path) -> None:
    """`-o -` writes the graph and nothing else to stdout."""
    tffreeze("freeze", DIGITS, "-o", "frozen.pb", cwd=tmp_path)
    run = tffreeze("freeze", DIGITS, "-o", "-")
    assert (run.code, run.out_bytes) == (0, (tmp_path / "frozen.pb").read_bytes())
    assert run.err.startswith("stdout: ")


def test_a_tensor_name_is_as_good_as_its_node(tmp_path: Path) -> None:
    """`a:0` and `a` give the same file."""
    report = json.loads(tffreeze("freeze", DIGITS, "-q", "--report", "-", "-o", "a.pb", cwd=tmp_path).out)
    tensor = report["outputs"][0]["original"]
    for name, output in ((tensor, "b.pb"), (tensor.removesuffix(":0"), "c.pb")):
        assert tffreeze("freeze", DIGITS, "--output-nodes", name, "-o", output, cwd=tmp_path).code == 0
    assert (tmp_path / "b.pb").read_bytes() == (tmp_path / "c.pb").read_bytes()


def test_every_flag_of_the_engine_is_heard(tmp_path: Path) -> None:
    """Flags reach the engine: renamed outputs, text, moving averages, restore ops."""
    run = tffreeze(
        "freeze", DIGITS, "--rename-io", "--text", "--clear-devices", "-o", "f.pbtxt", cwd=tmp_path
    )
    assert run.code == 0, run.err
    assert (tmp_path / "f.pbtxt").read_text().startswith("node {")
    refused = tffreeze("freeze", DIGITS, "--restore-op", "nowhere", "-o", "f.pb", cwd=tmp_path)
    assert (refused.code, _reason(refused.err)) == (2, "RESTORE_OP_NOT_FOUND")


def test_moving_averages_are_told(tmp_path: Path) -> None:
    """A saver that renames is resolved without any flag."""
    model = FIXTURES / "moving_average" / "model"
    meta = f"{model}.meta"
    inspection = json.loads(tffreeze("inspect", meta, "--json", "--checkpoint", str(model)).out)
    node = (inspection["candidate_outputs"] or inspection["signatures"][0]["outputs"])[0]["tensor"]
    report_file = tmp_path / "report.json"
    run = tffreeze(
        "freeze", meta, "--checkpoint", str(model), "--output-nodes", node,
        "--report", str(report_file), "-o", str(tmp_path / "f.pb"),
    )  # fmt: skip
    assert run.code == 0, run.err
    keys = [variable["key"] for variable in json.loads(report_file.read_text())["variables"]]
    assert all(key.endswith("/ExponentialMovingAverage") for key in keys)


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["nowhere", "-o", "f.pb"], 2, "MODEL_NOT_FOUND"),
        ([DIGITS, "--signature", "nope", "-o", "f.pb"], 2, "SIGNATURE_NOT_FOUND"),
        ([DIGITS, "--tags", "gpu,serve", "-o", "f.pb"], 2, "TAGS_NOT_FOUND"),
        ([DIGITS, "--output-nodes", "nope", "-o", "f.pb"], 2, "OUTPUT_NOT_FOUND"),
        ([DIGITS, "--deny", "nope", "-o", "f.pb"], 2, "VARIABLE_NOT_FOUND"),
        ([DIGITS, "--checkpoint", "nope", "-o", "f.pb"], 2, "CHECKPOINT_NOT_FOUND"),
        ([DIGITS, "-o", "no/such/folder/f.pb"], 2, "OUTPUT_NOT_WRITABLE"),
        ([__file__, "-o", "f.pb"], 3, "MALFORMED_MODEL"),
    ],
)
def test_an_error_is_told_in_words(arguments: list[str], code: int, reason: str, tmp_path: Path) -> None:
    """An error is a message and a reason on stderr, an exit code of the table, and no file."""
    run = tffreeze("freeze", *arguments, cwd=tmp_path)
    assert (run.code, _reason(run.err), run.out) == (code, reason, "")
    assert run.err.startswith("error: ")
    assert "Traceback" not in run.err
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_checkpoint_is_the_files_fault(tmp_path: Path) -> None:
    """A flipped bit in the weights ends with exit code 3 and leaves nothing behind."""
    model = tmp_path / "model"
    for source in Path(DIGITS).rglob("*"):
        if source.is_file():
            copy = model / source.relative_to(DIGITS)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
    data = next(model.glob("variables/*.data-*"))
    content = bytearray(data.read_bytes())
    for position in range(0, len(content), 64):
        content[position] ^= 1
    data.write_bytes(content)
    run = tffreeze("freeze", "model", "-o", "f.pb", cwd=tmp_path)
    assert (run.code, _reason(run.err)) == (3, "CHECKSUM_MISMATCH")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    "arguments", [["freeze"], ["freeze", DIGITS], ["nope"], ["freeze", DIGITS, "--nope", "-o", "f"]]
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    """Usage errors end with 2 and point at the help."""
    run = tffreeze(*arguments)
    assert (run.code, run.out) == (2, "")
    assert "for help" in run.err


def test_two_things_cannot_both_have_stdout() -> None:
    """`-o -` and `--report -` contradict each other, and a SavedModel is no stream."""
    assert tffreeze("freeze", DIGITS, "-o", "-", "--report", "-").code == 2
    assert tffreeze("freeze", DIGITS, "--saved-model", "-o", "-").code == 2


def _reason(err: str) -> str:
    return next(
        (line.removeprefix("reason: ") for line in err.splitlines() if line.startswith("reason: ")), err
    )
