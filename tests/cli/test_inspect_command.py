"""`tffreeze inspect`, run as a process."""

from __future__ import annotations

import json
from pathlib import Path

from cli.program import DIGITS, FIXTURES, tffreeze


def test_a_saved_model_is_told_in_words() -> None:
    """Signatures, saver and variables are there, for a person."""
    run = tffreeze("inspect", DIGITS)
    assert (run.code, run.err) == (0, "")
    for text in (
        "saved_model: ",
        "tags: serve",
        "signature 'serving_default'",
        "float32 [?, ",
        "  serving_default: 7 variables, 5.0 kB, all found\n",
        "  not needed: 31 more variables\n",
    ):
        assert text in run.out


def test_json_is_the_same_for_programs() -> None:
    """`--json` holds all of it as plain data."""
    inspection = json.loads(tffreeze("inspect", DIGITS, "--json").out)
    assert (inspection["kind"], inspection["all_tags"], inspection["tags"]) == (
        "saved_model",
        [["serve"]],
        ["serve"],
    )
    assert {variable["status"] for variable in inspection["variables"]} == {"FOUND"}


def test_a_graph_without_signatures_has_candidates() -> None:
    """Where nothing says what the outputs are, candidates are ranked."""
    folder = FIXTURES / "graph_v1"
    run = tffreeze("inspect", str(folder / "graph.pbtxt"), "--checkpoint", str(folder))
    assert "candidate outputs, the likeliest first:\n    y:0" in run.out


def test_no_checkpoint_is_no_error() -> None:
    """Variables without a checkpoint are listed; what stands in the way is told, not raised."""
    run = tffreeze("inspect", str(FIXTURES / "graph_v1" / "graph.pbtxt"), "--json")
    assert run.code == 0
    assert {variable["status"] for variable in json.loads(run.out)["variables"]} == {"NO_CHECKPOINT"}


def test_what_is_no_model_is_an_error(tmp_path: Path) -> None:
    """An inspection of something else ends as a freeze would."""
    run = tffreeze("inspect", str(tmp_path))
    assert (run.code, "reason: MODEL_NOT_FOUND" in run.err) == (2, True)
