"""What a caller may ask of a freeze."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model is.

    Attributes:
        model: A SavedModel directory, or a file with a SavedModel, MetaGraphDef or GraphDef, binary or text.
        checkpoint: A prefix, a directory with a `checkpoint` state file, any file of a checkpoint, or a
            SavedModel, whose own it is. None: the SavedModel's own, that beside a `.meta` file, or none at all (a
            graph without variables).
        saver: A file with a SaverDef, binary or text.
        op_list: A file with an OpList, binary or text: definitions of ops that neither the model nor
            TensorFlow's registry holds.
        weights_present: False where the data files stay with the caller (splice): only the index is read,
            and what needs the data is an error.

    """

    model: Path
    checkpoint: Path | None = None
    saver: Path | None = None
    op_list: Path | None = None
    weights_present: bool = True


@dataclass(frozen=True, slots=True)
class FreezeOptions:
    """How to freeze it.

    Attributes:
        tags: Of the MetaGraph to take, compared as a set; None: `serve`, or the only one there is.
        signature_keys: Signatures to keep; all in one graph. Empty and no `output_nodes`: `serving_default`,
            or the only one there is.
        output_nodes: Outputs by node or tensor name (`a` is as good as `a:0`). They keep their names.
        input_nodes: Tensors to cut the graph at: each becomes a Placeholder, nothing above it is kept.
        restore_op: The saver's restore op, instead of the model's own.
        filename_tensor: The saver's filename tensor, instead of the model's own.
        clear_devices: Whether device placements go, in function bodies too.
        allow: Freeze only these variables; empty: all.
        deny: Leave these variables as they are, reads and writes intact.
        moving_average: Take `VAR/ExponentialMovingAverage` instead of `VAR` where the checkpoint has it.
        rename_io: Name inputs and outputs after the keys of the signature.
        as_saved_model: Make a SavedModel (signatures kept, no variables) instead of a GraphDef.
        as_text: Make text format instead of binary.
        initializer_nodes: Nodes to run after the restore, after the model's own (`Model.init_ops`).

    """

    tags: frozenset[str] | None = None
    signature_keys: tuple[str, ...] = ()
    output_nodes: tuple[str, ...] = ()
    input_nodes: tuple[str, ...] = ()
    restore_op: str | None = None
    filename_tensor: str | None = None
    clear_devices: bool = False
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    moving_average: bool = False
    rename_io: bool = False
    as_saved_model: bool = False
    as_text: bool = False
    initializer_nodes: tuple[str, ...] = ()
