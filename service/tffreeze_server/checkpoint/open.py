"""Opening a checkpoint of either format."""

from __future__ import annotations

from pathlib import Path

from tffreeze_server.budget import Budget
from tffreeze_server.checkpoint.bundle import Bundle
from tffreeze_server.checkpoint.bundle_index import read_index
from tffreeze_server.checkpoint.checkpoint import Checkpoint
from tffreeze_server.checkpoint.find_checkpoint import find_checkpoint
from tffreeze_server.checkpoint.v1 import open_v1
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.model import Model
from tffreeze_server.options import ModelSource


def open_checkpoint(
    location: Path, *, weights_present: bool = True, budget: Budget | None = None
) -> Checkpoint:
    """Open a checkpoint: read its index, no weights.

    Args:
        location: Its prefix; a folder with a `checkpoint` state file; any of its files (`.index`, `.meta`,
            `.data-…`); a V1 file, a shard of one or its pattern `PREFIX-?????-of-00002`. Of a SavedModel:
            `variables/variables`. The existing files decide between V1 and V2.
        weights_present: False if the data files stay with the caller (splice): then ranges are not checked against
            them. The files of a V1 checkpoint are always needed, because they contain its index.
        budget: The budget of the freeze; None for a new one.

    Raises:
        FreezeError: CHECKPOINT_NOT_FOUND, SHARD_NOT_FOUND (of V1), MALFORMED_CHECKPOINT, CHECKSUM_MISMATCH,
            BIG_ENDIAN_CHECKPOINT, UNSUPPORTED_MODEL (a newer format), MODEL_TOO_COMPLEX or FILE_NOT_READABLE.

    """
    located = find_checkpoint(location)
    budget = budget or Budget()
    if located.index is None:
        return open_v1(located.name, located.v1_files, budget)
    return Bundle(read_index(located.index, budget), located.index.parent, weights_present, budget)


def open_for(model: Model, source: ModelSource, *, needed: bool) -> Checkpoint | None:
    """Open a model's checkpoint: that which the caller names, else the model's own where it is needed.

    Args:
        model: As it was loaded.
        source: What the caller names.
        needed: Whether a value may have to come from it.

    Returns:
        None where it is not needed, or where the model has none.

    Raises:
        FreezeError: As `open_checkpoint`; not CHECKPOINT_NOT_FOUND for the model's own.

    """
    location = source.checkpoint or (model.checkpoint if needed else None)
    if location is None:
        return None
    try:
        return open_checkpoint(location, weights_present=source.weights_present, budget=model.budget)
    except FreezeError as error:
        # A SavedModel without its folder `variables`: tables and variables may have their values from elsewhere,
        # and `resolve` says which variable has none.
        if error.reason is not Reason.CHECKPOINT_NOT_FOUND or source.checkpoint:
            raise
        return None
