"""What a hostile model costs grows no faster than its input. Counted, not timed: a busy machine changes nothing.

The part of the budget that even an empty input has is set to nothing, so that what is left is in proportion.
"""

from __future__ import annotations

import itertools
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from hostile.case import Case, Model, all_cases, outcome
from tffreeze_server import budget
from tffreeze_server.graph import load

pytestmark = pytest.mark.slow  # protobuf in pure Python takes time that doubles with each level of nesting

MAX_GROWTH = 2.3
"""When the size doubles. Some work is not the model's, and some numbers get longer."""
WARM = 1


class Cost(NamedTuple):
    """What a freeze took."""

    calls: int
    peak_bytes: int
    steps: int


@pytest.fixture
def budgets(monkeypatch: pytest.MonkeyPatch) -> list[budget.Budget]:
    """The budgets of all freezes, which start from nothing."""
    made: list[budget.Budget] = []

    class Recorded(budget.Budget):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr(budget, "MIN_STEPS", 0)
    monkeypatch.setattr(budget, "MIN_BYTES", 0)
    monkeypatch.setattr(load, "Budget", Recorded)
    return made


@pytest.mark.parametrize("case", all_cases(), ids=str)
def test_cost_grows_with_the_input(case: Case, tmp_path: Path, budgets: list[budget.Budget]) -> None:
    """From n to 2 n to 4 n, calls and budget steps grow at most 2.3 times each time, and memory 2.3 times on average.

    Memory grows in leaps: a dict takes twice the room when it is two thirds full.
    """
    cost(case.make(WARM), tmp_path, budgets)
    costs = [cost(case.make(case.small // part), tmp_path, budgets) for part in (4, 2, 1)]
    for less, more in itertools.pairwise(costs):
        assert more.calls <= MAX_GROWTH * less.calls, costs
        assert more.steps <= MAX_GROWTH * less.steps or not less.steps, costs
    assert costs[-1].peak_bytes <= MAX_GROWTH**2 * costs[0].peak_bytes, costs


def cost(model: Model, folder: Path, budgets: list[budget.Budget]) -> Cost:
    """Freeze a model twice, and count."""
    source = model.write(folder)
    calls = counted(lambda: outcome(source, model.options, folder))
    tracemalloc.start()
    outcome(source, model.options, folder)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    spent = budgets[-1]
    return Cost(calls, peak_bytes, min(spent.steps, spent.max_steps))


def counted(work: Callable[[], object]) -> int:
    """How many functions, of Python and of C, are called."""
    calls = 0

    def count(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls
