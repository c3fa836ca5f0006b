"""What a file holds, told from its content.

Protocol buffers carry no type: a GraphDef's first node may be read as a MetaGraphDef's meta info. But few
bytes are sound as both: an op's name would have to be a list of ops. So the start of a file is held against
the descriptors of all three kinds, some levels deep, and the kind with the fewest fields that do not fit is
what it is. In text format the first field's name tells.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from tffreeze_common.wire import FIXED32, FIXED64, LENGTH, VARINT, Field, WireError, fields
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.file_bytes import FileBytes
from tffreeze_server.graph.text import HEAD_BYTES, first_field
from tffreeze_server.tfproto.graph_pb2 import GraphDef
from tffreeze_server.tfproto.saved_model_pb2 import MetaGraphDef, SavedModel

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

ModelType = type[SavedModel] | type[MetaGraphDef] | type[GraphDef]

# Where two kinds fit as well (nothing but a version, say), the first.
_MODEL_TYPES: tuple[ModelType, ...] = (GraphDef, MetaGraphDef, SavedModel)

_MAX_FIELDS = 8
_DEPTH = 3

_WIRE_TYPES = {
    FieldDescriptor.TYPE_DOUBLE: FIXED64,
    FieldDescriptor.TYPE_FIXED64: FIXED64,
    FieldDescriptor.TYPE_SFIXED64: FIXED64,
    FieldDescriptor.TYPE_FLOAT: FIXED32,
    FieldDescriptor.TYPE_FIXED32: FIXED32,
    FieldDescriptor.TYPE_SFIXED32: FIXED32,
    FieldDescriptor.TYPE_STRING: LENGTH,
    FieldDescriptor.TYPE_BYTES: LENGTH,
    FieldDescriptor.TYPE_MESSAGE: LENGTH,
}

_EXPORT = "Load it with Keras and write a SavedModel: `model.export('folder')`"

# Files that people take for a model; where their first bytes stand.
_OTHER_FORMATS = (
    (0, b"\x89HDF\r\n", f"an HDF5 file, as older Keras saves them (.h5). {_EXPORT}"),
    (0, b"PK\x03\x04", f"a zip archive, as Keras 3 saves models (.keras). {_EXPORT}"),
    (0, b"\x1f\x8b", "compressed with gzip"),
    (4, b"TFL3", "a TensorFlow Lite model"),
)


def detect(data: FileBytes) -> tuple[ModelType, bool]:
    """What kind of model a file holds, and whether it is in text format.

    Raises:
        FreezeError: MALFORMED_MODEL where it is none.

    """
    head = data.read(0, min(data.size_bytes, HEAD_BYTES))
    text_field = first_field(head)
    if text_field is not None:
        return _by_field_name(text_field, data.name), True
    _refuse_other_formats(head, data.name)
    whole = (0, data.size_bytes)
    # The stubs name a message type's descriptor by either of two classes.
    fits = [(_fit(data, *whole, kind.DESCRIPTOR, _DEPTH), kind) for kind in _MODEL_TYPES]  # type: ignore[arg-type]
    (good, bad), best = min(fits, key=lambda fit: (fit[0][1], -fit[0][0]))
    if not good or bad > good:
        raise _none_of_them(data.name, "its bytes fit none of them")
    return best, False


def is_text(head: bytes, message_type: type[Message]) -> bool:
    """Whether a file that is to hold a `message_type` holds it in text format."""
    return first_field(head) in message_type.DESCRIPTOR.fields_by_name


def _by_field_name(field: str, name: str) -> ModelType:
    for kind in _MODEL_TYPES:
        if field in kind.DESCRIPTOR.fields_by_name:
            return kind
    raise _none_of_them(name, f"it is text, and its first field is {field!r}")


def _fit(data: FileBytes, start: int, end: int, message: Descriptor, depth: int) -> tuple[int, int]:
    """How many of the first fields of a message fit a descriptor, and how many do not."""
    good = bad = 0
    try:
        for field in itertools.islice(fields(data.read, start, end), _MAX_FIELDS):
            more_good, more_bad = _fit_field(data, field, message, depth)
            good, bad = good + more_good, bad + more_bad
    except WireError:
        bad += 1
    return good, bad


def _fit_field(data: FileBytes, field: Field, message: Descriptor, depth: int) -> tuple[int, int]:
    known = message.fields_by_number.get(field.number)
    if known is None or field.wire_type != _WIRE_TYPES.get(known.type, VARINT):
        return 0, 1
    if known.type == FieldDescriptor.TYPE_STRING:
        text = data.read(field.value, min(field.end, field.value + 256))
        return (1, 0) if text.decode(errors="ignore").isprintable() else (0, 1)
    if known.message_type is not None and depth:
        good, bad = _fit(data, field.value, field.end, known.message_type, depth - 1)
        return good + 1, bad
    return 1, 0


def _refuse_other_formats(head: bytes, name: str) -> None:
    if not head:
        raise _none_of_them(name, "it is empty")
    for offset, magic, what in _OTHER_FORMATS:
        if head[offset:].startswith(magic):
            raise _none_of_them(name, f"it is {what}")


def _none_of_them(name: str, why: str) -> FreezeError:
    return FreezeError(
        Reason.MALFORMED_MODEL,
        f"The file {name!r} holds neither a SavedModel, nor a MetaGraphDef, nor a GraphDef, "
        f"binary or text: {why}.",
        subject=name,
    )
