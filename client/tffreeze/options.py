"""The options of a freeze, in one place for every function that accepts them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypedDict

from tffreeze.errors import error_for

if TYPE_CHECKING:
    from tffreeze.v1 import options_pb2

StrPath = str | os.PathLike[str]

Names = str | Iterable[str]
"""Several names, or one as a string."""


class ModelFiles(TypedDict, total=False):
    """Files that belong to a model.

    Attributes:
        checkpoint: A prefix, a directory with a `checkpoint` state file, any file of a checkpoint, or a
            SavedModel. None: the SavedModel's own, the one beside a `.meta` file, or none.
        saver: A file with a SaverDef, binary or text.
        op_list: A file with an OpList, binary or text: ops that neither the model nor TensorFlow defines.

    """

    checkpoint: StrPath | None
    saver: StrPath | None
    op_list: StrPath | None


class FreezeArguments(ModelFiles, total=False):
    """The keyword arguments of a freeze. All are optional.

    Attributes:
        tags: Tags of the MetaGraph, compared as a set. None: `serve`, or the only MetaGraph.
        signature_keys: Signatures to keep, all in one graph. If there are none and no `output_nodes`:
            `serving_default`, or the only one.
        output_nodes: Outputs by node name (`a`) or tensor name (`a:0`).
        input_nodes: Cut the graph at these tensors: each becomes a Placeholder.
        restore_op: Use this restore op instead of the model's own.
        filename_tensor: The tensor that holds the checkpoint's path, instead of the model's own.
        clear_devices: Remove device placements, also in function bodies.
        allow: Freeze only these variables.
        deny: Keep these variables, with their reads and writes.
        moving_average: Use `VAR/ExponentialMovingAverage` instead of `VAR` if the checkpoint has it.
        rename_io: Name inputs and outputs after the keys of the signature.
        as_saved_model: Write a SavedModel instead of a GraphDef.
        as_text: Write text format instead of binary.
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
    """Convert the options to the contract's message. It does not contain the model's files.

    Raises:
        RequestError: INVALID_OPTION: a name is not UTF-8.
        TypeError: For a keyword argument that there is not.

    """
    from tffreeze.v1 import model_pb2, options_pb2  # noqa: PLC0415 - `import tffreeze` needs no protobuf

    unknown = arguments.keys() - FreezeArguments.__annotations__.keys() - ModelFiles.__annotations__.keys()
    if unknown:
        raise TypeError(f"There is no argument {min(unknown)!r}.")
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
    """Check that the form of the result fits its target: a path, or else memory or a stream.

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
