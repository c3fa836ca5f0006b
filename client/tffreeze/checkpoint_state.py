"""The newest checkpoint of a folder, from its state file `checkpoint`.

The file is a text-format `CheckpointState` (tensorflow/python/training/checkpoint_state.proto of TensorFlow 2.21), with
names escaped as in text format, for example as octal UTF-8. It is parsed by protobuf, as in the engine, so that the
client uploads the files that the engine will look for.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path, PurePosixPath
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from tffreeze.errors import TffreezeError, error_for
from tffreeze.local_file import open_local, read_local
from tffreeze_files.layout import named_inside

MAX_STATE_BYTES = 1 << 23

_NAME = "tffreeze.client.CheckpointState"
_STRING, _DOUBLE = (
    descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE,
)
_FIELDS = (
    ("model_checkpoint_path", _STRING, False),
    ("all_model_checkpoint_paths", _STRING, True),
    ("all_model_checkpoint_timestamps", _DOUBLE, True),
    ("last_preserved_timestamp", _DOUBLE, False),
)
"""Name, type, and whether the field is repeated."""


def newest_checkpoint(state: Path) -> PurePosixPath:
    """The prefix of the newest checkpoint, relative to the folder. Of an absolute path only the last part is used.

    Args:
        state: The text file.

    Raises:
        ModelFileError: MALFORMED_CHECKPOINT: it names none, or one outside of the folder; FILE_NOT_READABLE.

    """
    path = named_inside(_read(state))
    if path is None:
        raise _malformed(state, "names no checkpoint in its folder")
    return path


def _read(state: Path) -> str:
    descriptor = open_local(state)
    try:
        size_bytes = os.fstat(descriptor).st_size
        if size_bytes > MAX_STATE_BYTES:
            raise _malformed(state, f"is {size_bytes} bytes long, too long for a list of checkpoints")
        text = read_local(descriptor, state, size_bytes, 0).decode()
        message = text_format.Parse(text, _state_class()(), allow_unknown_field=True)
    except (text_format.ParseError, UnicodeDecodeError, RecursionError):
        raise _malformed(
            state, "is not a checkpoint state file (text that names the newest checkpoint)"
        ) from None
    finally:
        os.close(descriptor)
    path: str = message.model_checkpoint_path
    return path


@functools.cache
def _state_class() -> Any:  # noqa: ANN401 - made on the spot
    """Make the message class. The client has no generated code for TensorFlow's messages, and this one is small."""
    file = descriptor_pb2.FileDescriptorProto(
        name="tffreeze/client/checkpoint_state.proto", package="tffreeze.client", syntax="proto3"
    )
    message = file.message_type.add(name="CheckpointState")
    for number, (name, kind, is_many) in enumerate(_FIELDS, 1):
        label = (
            descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
            if is_many
            else descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
        )
        message.field.add(name=name, number=number, type=kind, label=label)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    descriptor = pool.FindMessageTypeByName(_NAME)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    factory: Any = message_factory.MessageFactory(pool)  # protobuf before 4.22
    return factory.GetPrototype(descriptor)


def _malformed(state: Path, what: str) -> TffreezeError:
    message = f"The file {str(state)!r} {what}. Give the prefix of a checkpoint."
    return error_for("MALFORMED_CHECKPOINT", message, state.name)
