"""How the variables of a model stand to its checkpoint."""

from __future__ import annotations

import math
from dataclasses import replace

from tffreeze_server.checkpoint.checkpoint import OBJECT_GRAPH_KEY, Checkpoint
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.variables import Variable
from tffreeze_server.inspection.inspection import VariableInspection
from tffreeze_server.report.build import value_size_bytes
from tffreeze_server.resolve.resolve import Sources
from tffreeze_server.tensors import dtypes

_NO_CHECKPOINT = "NO_CHECKPOINT"
_STATUS = {
    Reason.VARIABLE_MISMATCH: "MISMATCH",
    Reason.CHECKPOINT_NEEDED: _NO_CHECKPOINT,
    Reason.CHECKPOINT_NOT_FOUND: _NO_CHECKPOINT,
}
"""The status that an error means; every other error leaves the variable without a value."""


def variable_statuses(sources: Sources) -> tuple[VariableInspection, ...]:
    """Look each variable up, as a freeze would, and tell what it found. No weights are read."""
    found = [_status(sources, variable) for variable in sources.variables.values()]
    return tuple(sorted(found, key=lambda variable: variable.name))


def extra_keys(checkpoint: Checkpoint | None, variables: tuple[VariableInspection, ...]) -> tuple[str, ...]:
    """List the checkpoint's keys that no variable needs."""
    used = {variable.key for variable in variables} | {OBJECT_GRAPH_KEY}
    return tuple(key for key in checkpoint.entries if key not in used) if checkpoint is not None else ()


def _status(sources: Sources, variable: Variable) -> VariableInspection:
    unknown = VariableInspection(
        name=variable.name,
        op=variable.op,
        dtype=dtypes.name_of(dtypes.base(variable.dtype)) if variable.dtype else "",
        shape=variable.shape,
        status="MISSING",
        key="",
        source="",
        message="",
        size_bytes=_declared_bytes(variable),
    )
    try:
        binding = sources.binding(variable)
    except FreezeError as error:
        return replace(unknown, status=_STATUS.get(error.reason, "MISSING"), message=error.message)
    size_bytes = value_size_bytes(binding.value)
    return replace(unknown, status="FOUND", key=binding.key, source=binding.source, size_bytes=size_bytes)


def _declared_bytes(variable: Variable) -> int:
    """The size that the graph says; 0 where its shape is open, or too large for any file."""
    if variable.shape is None or any(size < 0 for size in variable.shape):
        return 0
    size_bytes = math.prod(variable.shape) * dtypes.size_bytes_of(variable.dtype)
    return size_bytes if size_bytes < 1 << 63 else 0
