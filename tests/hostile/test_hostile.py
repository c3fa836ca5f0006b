"""Each hostile model ends in the reason that is told for it, or freezes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostile.case import Case, all_cases, outcome

pytestmark = pytest.mark.slow  # protobuf in pure Python takes time that doubles with each level of nesting


@pytest.mark.parametrize("case", all_cases(), ids=str)
def test_it_gives_its_reason(case: Case, tmp_path: Path) -> None:
    """At its size a hostile model is refused for its reason, or frozen, and nothing breaks."""
    model = case.make(case.size)
    assert case.reason == outcome(model.write(tmp_path), model.options, tmp_path)
