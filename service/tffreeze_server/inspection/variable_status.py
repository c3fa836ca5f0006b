"""How the variables of a model stand to its checkpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tffreeze_common.inspection import NeedInspection, VariableInspection, VariableStatus
from tffreeze_server.checkpoint.checkpoint import OBJECT_GRAPH_KEY, Checkpoint
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.variables import Variable, key_of
from tffreeze_server.report.build import value_size_bytes
from tffreeze_server.resolve.resolve import Sources
from tffreeze_server.resolve.trace import VariableKey
from tffreeze_server.tensors import dtypes

_STATUS = {
    Reason.VARIABLE_MISMATCH: VariableStatus.MISMATCH,
    Reason.CHECKPOINT_NEEDED: VariableStatus.NO_CHECKPOINT,
    Reason.CHECKPOINT_NOT_FOUND: VariableStatus.NO_CHECKPOINT,
}
"""The status that an error means; every other error leaves the variable without a value."""


def variable_statuses(
    sources: Sources, needs: Mapping[str, Sequence[Variable]]
) -> tuple[tuple[VariableInspection, ...], tuple[NeedInspection, ...]]:
    """Look each variable up, as a freeze would, and tell what it found. No weights are read.

    Args:
        sources: Where the values of variables come from.
        needs: The variables that the outputs of each signature need, by its key, by "" for outputs asked for by
            name. Empty where it is not known what is wanted of the model: then any variable may be needed.

    Returns:
        All variables by name, and what of them is needed.

    """
    found: dict[VariableKey, VariableInspection] = {}
    told: list[NeedInspection] = []
    for signature_key, variables in needs.items():
        # Looked up once, however many signatures need it.
        found.update({key_of(v): _status(sources, v) for v in variables if key_of(v) not in found})
        statuses = [found[key_of(variable)] for variable in variables]
        told.append(_need(signature_key, statuses))
    for key, variable in sources.variables.items():
        if key not in found:
            status = _status(sources, variable)
            found[key] = _not_needed(status) if needs else status
    return tuple(sorted(found.values(), key=lambda variable: variable.name)), tuple(told)


def _need(signature_key: str, variables: Sequence[VariableInspection]) -> NeedInspection:
    return NeedInspection(
        signature_key,
        tuple(sorted(variable.name for variable in variables)),
        sum(variable.status is VariableStatus.FOUND for variable in variables),
        sum(variable.size_bytes for variable in variables),
    )


def _not_needed(variable: VariableInspection) -> VariableInspection:
    """The same, without an error that concerns nobody."""
    if variable.status is VariableStatus.FOUND:
        return variable
    return replace(variable, message=f"No output that was looked at needs the variable {variable.name!r}.")


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
        status=VariableStatus.MISSING,
        key="",
        source="",
        message="",
        size_bytes=_declared_bytes(variable),
    )
    try:
        binding = sources.binding(variable)
    except FreezeError as error:
        return replace(
            unknown, status=_STATUS.get(error.reason, VariableStatus.MISSING), message=error.message
        )
    size_bytes = value_size_bytes(binding.value)
    return replace(
        unknown, status=VariableStatus.FOUND, key=binding.key, source=binding.source, size_bytes=size_bytes
    )


def _declared_bytes(variable: Variable) -> int:
    """The size that the graph says; 0 where its shape is open, or too large for any file."""
    if variable.shape is None or any(size < 0 for size in variable.shape):
        return 0
    size_bytes = math.prod(variable.shape) * dtypes.size_bytes_of(variable.dtype)
    return size_bytes if size_bytes < 1 << 63 else 0
