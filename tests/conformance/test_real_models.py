"""Every real model with golden outputs gives them when frozen, or ends in the expected error."""

from __future__ import annotations

from pathlib import Path

import pytest
from tffreeze_server.freeze.freeze import freeze

from conformance.expected_errors import EXPECTED_ERRORS
from conformance.harness import assert_same, freeze_file, run
from conformance.real_models import Case, golden_cases
from tffreeze_server.errors import FreezeError

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("models_dir")]
CASES = {case.name: case for case in golden_cases()}


@pytest.mark.parametrize(
    "case", [CASES[name] for name in sorted(CASES.keys() - EXPECTED_ERRORS)], ids=lambda c: c.name
)
def test_frozen_gives_what_the_model_gave(case: Case, tmp_path: Path) -> None:
    """The frozen graph is complete without the checkpoint and gives the golden outputs."""
    feeds, expected = case.golden()
    frozen = freeze_file(case.source, tmp_path / "frozen.pb", case.options)
    assert_same(expected, run(frozen, feeds, expected, cwd=case.folder))


@pytest.mark.parametrize("name", sorted(EXPECTED_ERRORS))
def test_error_is_the_expected_one(name: str) -> None:
    """What cannot be frozen ends in the reason on the list."""
    case = CASES[name]
    with pytest.raises(FreezeError) as caught:
        freeze(case.source, case.options)
    assert EXPECTED_ERRORS[name][0] == caught.value.reason
