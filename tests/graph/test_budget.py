"""The budget of a freeze."""

from __future__ import annotations

import pytest

from tffreeze_server.budget import MIN_BYTES, MIN_STEPS, Budget
from tffreeze_server.errors import FreezeError, Reason


def test_a_budget_can_be_spent_to_the_last_step() -> None:
    """What is drawn may be all that there is, and not one more; each byte of input raises the limit."""
    for steps, size_bytes in ((MIN_STEPS, 0), (0, MIN_BYTES)):
        budget = Budget()
        budget.draw("things", steps, size_bytes)
        with pytest.raises(FreezeError) as caught:
            budget.draw("things", min(steps, 1), min(size_bytes, 1))
        assert Reason.MODEL_TOO_COMPLEX == caught.value.reason
        budget = Budget(10)
        budget.draw("things", steps and steps + 20, size_bytes and size_bytes + 1000)


def test_a_long_name_is_cut_in_the_message() -> None:
    """The subject of the error too: at most 200 characters."""
    with pytest.raises(FreezeError) as caught:
        Budget().draw("things", MIN_STEPS + 1, subject="n" * 300)
    assert "n" * 200 == caught.value.subject
    assert f"at {'n' * 200!r}, a freeze" in caught.value.message
