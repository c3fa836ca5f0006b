"""The options of a freeze, in one place for every function that accepts them."""

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
        RequestError: INVALID_OPTION: a name is not UTF-8.
        TypeError: For a keyword argument that there is not, or what is no name.

    """
    unknown = arguments.keys() - FreezeArguments.__annotations__.keys()
    if unknown:
        raise TypeError(f"There is no argument {min(unknown)!r}.")
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
    """Convert the options to the contract's message. It does not contain the model's files.

    Raises:
        RequestError: INVALID_OPTION: a name is not UTF-8.
        TypeError: For a keyword argument that there is not.

    """
    from tffreeze.v1 import options_pb2  # noqa: PLC0415 - `import tffreeze` needs no protobuf

    return to_message(options_pb2.FreezeOptions(), freeze_options(arguments))


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


def _path(value: StrPath | None) -> Path | None:
    return Path(value) if value else None


def _names(value: object) -> tuple[str, ...]:
    if value is None or isinstance(value, str):
        return () if value is None else (_checked(value),)
    if not isinstance(value, Iterable):
        raise TypeError(f"{value!r} is no list of names.")
    return tuple(map(_checked, value))


def _name(value: object) -> str | None:
    return _checked(value) if value else None


def _checked(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"{name!r} is no name.")
    check_utf8(name)
    return name
