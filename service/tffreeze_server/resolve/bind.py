"""Values bound to variables, checked against them; and what to say where there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tffreeze_common.report import ModelKind, ValueSource
from tffreeze_server.checkpoint.checkpoint import Checkpoint
from tffreeze_server.errors import FreezeError, Reason, nearest
from tffreeze_server.graph.model import Model, Saver
from tffreeze_server.graph.node import TensorValue
from tffreeze_server.graph.variables import Binding, Variable
from tffreeze_server.resolve.evaluate import with_shape
from tffreeze_server.resolve.restore_ops import CheckpointTensor, describe
from tffreeze_server.tensors import dtypes


def restored(
    variable: Variable, checkpoint: Checkpoint, found: CheckpointTensor, source: ValueSource
) -> Binding:
    """A variable with its value in a checkpoint.

    Raises:
        FreezeError: VARIABLE_NOT_IN_CHECKPOINT; VARIABLE_MISMATCH where dtype or shape differ.

    """
    entry = checkpoint.entries.get(found.key)
    if entry is None:
        raise not_in_checkpoint(variable, checkpoint, [found.key])
    where = f"{describe(found)} of the checkpoint {checkpoint.name!r}"
    if found.whole_shape is not None and found.whole_shape != entry.shape:
        raise FreezeError(
            Reason.VARIABLE_MISMATCH,
            f"The variable {variable.name!r} is a slice of a tensor of shape {list(found.whole_shape)}, and {where} "
            f"has the shape {list(entry.shape)}. Give the checkpoint that belongs to this graph.",
            subject=variable.name,
        )
    shape = found.region.sizes if found.region is not None else entry.shape
    if found.reshaped and variable.shape is not None and math.prod(variable.shape) == math.prod(shape):
        _check(variable, entry.dtype, variable.shape, where)
        value = with_shape(checkpoint.value(found.key, found.region), variable.shape)
    else:
        _check(variable, entry.dtype, shape, where)
        value = checkpoint.value(found.key, found.region)
    return Binding(variable, value, found.key, source)


def initialised(variable: Variable, value: TensorValue) -> Binding:
    """A variable with the value that a loader sets.

    Raises:
        FreezeError: VARIABLE_MISMATCH.

    """
    _check(variable, value.dtype, value.shape, "the value its initializer sets")
    return Binding(variable, value, "", ValueSource.INITIALIZER)


def not_in_checkpoint(variable: Variable, checkpoint: Checkpoint, keys: Sequence[str]) -> FreezeError:
    """The error for a variable whose key the checkpoint lacks."""
    return FreezeError(
        Reason.VARIABLE_NOT_IN_CHECKPOINT,
        f"The outputs need the variable {variable.name!r}, and the checkpoint {checkpoint.name!r} has no key "
        f"{' or '.join(map(repr, keys))}. {nearest(keys[0], checkpoint.entries)} Give the checkpoint or the saver "
        "(--restore-op, --moving-average) that belong to this graph, leave the variable as it is with --deny, or "
        "choose outputs that do without it.",
        subject=variable.name,
    )


def restores_nothing(saver: Saver) -> FreezeError:
    """The error for a saver of the caller's that is none."""
    return FreezeError(
        Reason.UNSUPPORTED_RESTORE,
        f"The restore op {saver.restore_op!r}, given with {saver.origin}, restores no variable: nothing that it runs "
        "assigns to one. Give the saver's own restore op, such as 'save/restore_all'.",
        subject=saver.restore_op,
    )


def no_checkpoint(model: Model, variable: Variable) -> FreezeError:
    """The error for a model that needs a checkpoint and comes without."""
    needs = f"The outputs need the value of the variable {variable.name!r}, and "
    if model.kind is ModelKind.SAVED_MODEL:
        return FreezeError(
            Reason.CHECKPOINT_NOT_FOUND,
            f"{needs}the SavedModel {model.name!r} has no checkpoint: there is no variables/variables.index in it. "
            "Copy its folder `variables` too, or give another checkpoint with --checkpoint.",
            subject=variable.name,
        )
    return FreezeError(
        Reason.CHECKPOINT_NEEDED,
        f"{needs}{model.name!r} is a graph alone. Give the checkpoint that belongs to it with --checkpoint.",
        subject=variable.name,
    )


def _check(variable: Variable, dtype: int, shape: tuple[int, ...], where: str) -> None:
    wanted = dtypes.base(variable.dtype)
    if dtype == wanted and _fits(shape, variable.shape):
        return
    expected = "unknown shape" if variable.shape is None else f"shape {list(variable.shape)}"
    raise FreezeError(
        Reason.VARIABLE_MISMATCH,
        f"The variable {variable.name!r} is of {dtypes.name_of(wanted)} and {expected}; {where} is of "
        f"{dtypes.name_of(dtype)} and shape {list(shape)}. Give the checkpoint that belongs to this graph, or the "
        "saver that renames its keys (--restore-op, --saver).",
        subject=variable.name,
    )


def _fits(shape: tuple[int, ...], wanted: tuple[int, ...] | None) -> bool:
    return wanted is None or (
        len(shape) == len(wanted) and all(size in (-1, own) for own, size in zip(shape, wanted, strict=True))
    )
