"""After mixed calls with faults a server holds what it held before. `make soak` does it for minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from soak.soak import soak


@pytest.mark.slow
def test_nothing_piles_up(tmp_path: Path) -> None:
    """Processes, descriptors and spool are as they were, memory nearly; calls end as they should."""
    soaked = soak(tmp_path, seconds=8, seed=1)
    assert [] == soaked.faults()
