"""The project's own sample models, frozen."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.harness import assert_same, freeze_file, np, run
from conformance.real_models import read_golden
from tffreeze_server.options import FreezeOptions, ModelSource

pytestmark = pytest.mark.tensorflow
FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
Y = FreezeOptions(output_nodes=("y",))


@pytest.mark.parametrize(
    ("name", "source", "options"),
    [
        ("digits", ModelSource(FIXTURES / "digits"), FreezeOptions()),
        (
            "moving_average",
            ModelSource(FIXTURES / "moving_average" / "model.meta", FIXTURES / "moving_average" / "model"),
            Y,
        ),
        ("graph_v1", ModelSource(FIXTURES / "graph_v1" / "graph.pbtxt", FIXTURES / "graph_v1" / "model"), Y),
    ],
)
def test_sample_model(name: str, source: ModelSource, options: FreezeOptions, tmp_path: Path) -> None:
    """A frozen sample model gives its golden outputs."""
    frozen = freeze_file(source, tmp_path / "frozen.pb", options)
    feeds, expected = read_golden(FIXTURES / name / "golden.npz")
    assert_same(expected, run(frozen, feeds))


def test_digits_are_told(tmp_path: Path) -> None:
    """The frozen classifier tells at least nine digits of ten."""
    frozen = freeze_file(FIXTURES / "digits", tmp_path / "frozen.pb")
    with np.load(FIXTURES / "digits" / "golden.npz") as arrays:
        labels = arrays["labels"]
    feeds, _ = read_golden(FIXTURES / "digits" / "golden.npz")
    (probabilities,) = run(frozen, feeds).values()
    assert 0.9 <= (probabilities.argmax(axis=1) == labels).mean()
