"""What a caller may ask of a freeze: one statement of it, for every function that takes it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypedDict

from tffreeze.errors import error_for

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


def options_message(arguments: FreezeArguments) -> options_pb2.FreezeOptions:
    """Make the message of the contract; the files of the model are not part of it.

    Raises:
        RequestError: INVALID_OPTION: a name is not UTF-8.
        TypeError: For a keyword argument that there is not.

    """
    from tffreeze.v1 import model_pb2, options_pb2  # noqa: PLC0415 - `import tffreeze` needs no protobuf

    unknown = arguments.keys() - FreezeArguments.__annotations__.keys() - ModelFiles.__annotations__.keys()
    if unknown:
        raise TypeError(f"A freeze takes no argument {min(unknown)!r}.")
    message = options_pb2.FreezeOptions()
    for key, value in arguments.items():
        if key in ModelFiles.__annotations__ or value is None:
            continue
        if key == "tags":
            message.tags.CopyFrom(model_pb2.TagSet(tags=sorted(_names(value))))
        elif isinstance(value, bool):
            setattr(message, key, value)
        elif key in ("restore_op", "filename_tensor"):
            check_utf8(value)
            setattr(message, key, value)
        else:
            getattr(message, key).extend(_names(value))
    return message


def check_utf8(*names: object) -> None:
    """Check names that go into a message. Bytes of a command line or a folder that are no UTF-8 are surrogates.

    Raises:
        RequestError: INVALID_OPTION.

    """
    for name in names:
        try:
            str(name).encode()
        except UnicodeEncodeError:
            message = f"{str(name)!r} is not UTF-8, as every name in a request is. Rename it."
            raise error_for("INVALID_OPTION", message, str(name)) from None


def check_form(arguments: FreezeArguments, *, is_path: bool) -> None:
    """Check that the result can be where it is wanted: at a path, or else in memory or a stream.

    Raises:
        RequestError: INVALID_OPTION for a SavedModel, which is a directory.

    """
    if arguments.get("as_saved_model") and not is_path:
        raise error_for("INVALID_OPTION", "A SavedModel is a directory: use `freeze` with an output path.")


def _names(value: object) -> list[str]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, Iterable):
        raise TypeError(f"{value!r} is no list of names.")
    names = list(value)
    check_utf8(*names)
    return names
