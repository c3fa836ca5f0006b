"""Each committed input, those that found something once among them, run without a fuzzer."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.targets import TARGETS

SEEDS = [(target.name, path) for target in TARGETS.values() for path in target.seeds]


@pytest.mark.parametrize(("target", "path"), SEEDS, ids=[f"{name}-{path.name}" for name, path in SEEDS])
def test_a_committed_input_ends_in_a_result_or_a_reason(target: str, path: Path) -> None:
    """What a target is given ends as every input must."""
    TARGETS[target].judge(path.read_bytes())
