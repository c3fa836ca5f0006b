"""Real models take little of what their size allows."""

from __future__ import annotations

import contextlib

import pytest

from conformance.real_models import Case, golden_cases
from tffreeze_server.checkpoint.open import open_for
from tffreeze_server.errors import FreezeError
from tffreeze_server.flatten.choose_outputs import choose_outputs
from tffreeze_server.flatten.flatten import flatten
from tffreeze_server.graph.functions import functions_of
from tffreeze_server.graph.load import load
from tffreeze_server.resolve.resolve import Sources, resolve
from tffreeze_server.rewrite.rewrite import rewrite


@pytest.mark.parametrize("case", golden_cases(), ids=lambda case: case.name)
def test_a_real_model_takes_under_a_tenth(case: Case) -> None:
    """Steps and bytes that the freeze of a real model draws are less than a tenth of its budget."""
    model = load(case.source, case.options)
    with contextlib.suppress(FreezeError):  # Some cannot be frozen; what that took counts all the same.
        functions = functions_of(model)
        flat = flatten(model, choose_outputs(model, case.options), case.options, functions)
        checkpoint = open_for(model, case.source, needed=flat.needs_checkpoint)
        values = resolve(Sources(model, checkpoint, case.options, functions), flat)
        rewrite(model, flat, values, case.options, functions)
    spent = (model.budget.steps / model.budget.max_steps, model.budget.size_bytes / model.budget.max_bytes)
    assert max(spent) < 0.1, spent
