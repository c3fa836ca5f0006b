"""The work on a model of many like things is linear in how many there are.

Counted, not timed: the lines of Python that run, those of the tests aside. At twice the size, at most 2.3 times as
many.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from hostile.case import Case, all_cases, outcome

pytestmark = pytest.mark.slow  # protobuf in pure Python takes time that doubles with each level of nesting

MAX_GROWTH = 2.3
CASES = [case for case in all_cases() if 200 <= case.number < 300]
TESTS = str(Path(__file__).parent.parent)


def lines_run(function: Callable[[], object]) -> int:
    """How many lines a call runs, those of loops each time."""
    count = 0

    def trace(frame: FrameType, _event: str, _: Any) -> Any:
        nonlocal count
        if frame.f_code.co_filename.startswith(TESTS):
            return None
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("case", CASES, ids=str)
def test_work_grows_with_the_model(case: Case, tmp_path: Path) -> None:
    """At a quarter, half and all of its small size."""
    counts = []
    for n in (case.small // 4, case.small // 2, case.small):
        model = case.make(n)
        source = model.write(tmp_path)
        counts.append(lines_run(lambda m=model, s=source: outcome(s, m.options, tmp_path)))
    assert counts[1] <= MAX_GROWTH * counts[0], counts
    assert counts[2] <= MAX_GROWTH * counts[1], counts
