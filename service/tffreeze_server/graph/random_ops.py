"""Which ops give other numbers each time they run. Facts: TensorFlow's `core/ops/random_ops.cc`."""

from __future__ import annotations

_OTHERS = frozenset({"TruncatedNormal", "ParameterizedTruncatedNormal", "Multinomial"})


def is_random(op: str) -> bool:
    """Whether an op draws random numbers."""
    return op.startswith("Random") or op in _OTHERS or op.endswith("CandidateSampler")
