"""Opening a checkpoint of either format."""

from __future__ import annotations

from pathlib import Path

from tffreeze_server.budget import Budget
from tffreeze_server.checkpoint.bundle import Bundle
from tffreeze_server.checkpoint.bundle_index import read_index
from tffreeze_server.checkpoint.checkpoint import Checkpoint
from tffreeze_server.checkpoint.locate import locate
from tffreeze_server.checkpoint.v1 import open_v1


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
    located = locate(location)
    budget = budget or Budget()
    if located.index is None:
        return open_v1(located.name, located.v1_files, budget)
    return Bundle(read_index(located.index, budget), located.index.parent, weights_present, budget)
