"""What a caller may ask of a freeze: one statement of it, for every function that takes it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from tffreeze.errors import error_for
from tffreeze_common.dataclass_fields import to_message
from tffreeze_common.options import FreezeOptions, ModelSource

if TYPE_CHECKING:
    from tffreeze.v1 import options_pb2

StrPath = str | os.PathLike[str]

Names = str | Iterable[str]
"""Several names; one string is one name."""


class ModelFiles(TypedDict, total=False):
    """Files that belong to a model.

    Attributes:
        checkpoint: A prefix, a directory with a `checkpoint` state file, any file of a checkpoint, or a
            SavedModel, whose own it is. None: the SavedModel's own, that beside a `.meta` file, or none at all.
        saver: A file with a SaverDef, binary or text.
        op_list: A file with an OpList, binary or text: ops that neither the model nor TensorFlow defines.

    """

    checkpoint: StrPath | None
    saver: StrPath | None
    op_list: StrPath | None


class FreezeArguments(ModelFiles, total=False):
    """The keyword arguments of a freeze. The default of each is to leave it out.

    Attributes:
        tags: Of the MetaGraph to take, compared as a set; None: `serve`, or the only one there is.
        signature_keys: Signatures to keep, all in one graph. None, and no `output_nodes`:
            `serving_default`, or the only one there is.
        output_nodes: Outputs by node or tensor name (`a` is as good as `a:0`).
        input_nodes: Tensors to cut the graph at: each becomes a Placeholder.
        restore_op: The saver's restore op, instead of the model's own.
        filename_tensor: The saver's filename tensor, instead of the model's own.
        clear_devices: Remove device placements, in function bodies too.
        allow: Freeze only these variables.
        deny: Leave these variables as they are, reads and writes intact.
        moving_average: Take `VAR/ExponentialMovingAverage` instead of `VAR` where the checkpoint has it.
        rename_io: Name inputs and outputs after the keys of the signature.
        as_saved_model: Make a SavedModel instead of a GraphDef.
        as_text: Make text format instead of binary.
        initializer_nodes: Nodes to run after the restore, after the model's own.

    """

    tags: Names | None
    signature_keys: Names
    output_nodes: Names
    input_nodes: Names
    restore_op: str | None
    filename_tensor: str | None
    clear_devices: bool
    allow: Names
    deny: Names
    moving_average: bool
    rename_io: bool
    as_saved_model: bool
    as_text: bool
    initializer_nodes: Names


def model_source(model: StrPath, arguments: FreezeArguments) -> ModelSource:
    """Say where a model on this machine is."""
    return ModelSource(
        model=Path(model),
        checkpoint=_path(arguments.get("checkpoint")),
        saver=_path(arguments.get("saver")),
        op_list=_path(arguments.get("op_list")),
    )


def freeze_options(arguments: FreezeArguments) -> FreezeOptions:
    """Say how to freeze it.

    Raises:
        TypeError: For a keyword argument that there is not, or what is no name.

    """
    unknown = arguments.keys() - FreezeArguments.__annotations__.keys()
    if unknown:
        raise TypeError(f"A freeze takes no argument {min(unknown)!r}.")
    tags = arguments.get("tags")
    return FreezeOptions(
        tags=None if tags is None else frozenset(_names(tags)),
        signature_keys=_names(arguments.get("signature_keys")),
        output_nodes=_names(arguments.get("output_nodes")),
        input_nodes=_names(arguments.get("input_nodes")),
        restore_op=_name(arguments.get("restore_op")),
        filename_tensor=_name(arguments.get("filename_tensor")),
        clear_devices=bool(arguments.get("clear_devices")),
        allow=_names(arguments.get("allow")),
        deny=_names(arguments.get("deny")),
        moving_average=bool(arguments.get("moving_average")),
        rename_io=bool(arguments.get("rename_io")),
        as_saved_model=bool(arguments.get("as_saved_model")),
        as_text=bool(arguments.get("as_text")),
        initializer_nodes=_names(arguments.get("initializer_nodes")),
    )


def options_message(arguments: FreezeArguments) -> options_pb2.FreezeOptions:
    """Make the message of the contract; the files of the model are not part of it.

    Raises:
        TypeError: For a keyword argument that there is not.

    """
    from tffreeze.v1 import options_pb2  # noqa: PLC0415 - `import tffreeze` needs no protobuf

    return to_message(options_pb2.FreezeOptions(), freeze_options(arguments))


def check_form(arguments: FreezeArguments, *, is_path: bool) -> None:
    """Check that the result can be where it is wanted: at a path, or else in memory or a stream.

    Raises:
        RequestError: INVALID_OPTION for a SavedModel, which is a directory.

    """
    if arguments.get("as_saved_model") and not is_path:
        raise error_for("INVALID_OPTION", "A SavedModel is a directory: use `freeze` with an output path.")


def _path(value: StrPath | None) -> Path | None:
    return Path(value) if value else None


def _names(value: object) -> tuple[str, ...]:
    if value is None or isinstance(value, str):
        return () if value is None else (value,)
    names = tuple(value) if isinstance(value, Iterable) else (value,)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"{value!r} is no list of names.")
    return names


def _name(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{value!r} is no name.")
    return value or None
