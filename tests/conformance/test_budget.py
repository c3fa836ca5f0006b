"""Real models take little of what their size allows."""

from __future__ import annotations

import contextlib

import pytest

from conformance.real_models import Case, golden_cases
from tffreeze_server.errors import FreezeError
from tffreeze_server.graph.load import load
from tffreeze_server.rewrite.rewrite import rewrite


@pytest.mark.parametrize("case", golden_cases(), ids=lambda case: case.name)
def test_a_real_model_takes_under_a_tenth(case: Case) -> None:
    """Steps and bytes that the freeze of a real model draws are less than a tenth of its budget."""
    model = load(case.source, case.options)
    with contextlib.suppress(FreezeError):  # Some cannot be frozen; what that took counts all the same.
        rewrite(model, case.source, case.options)
    spent = (model.budget.steps / model.budget.max_steps, model.budget.size_bytes / model.budget.max_bytes)
    assert max(spent) < 0.1, spent
