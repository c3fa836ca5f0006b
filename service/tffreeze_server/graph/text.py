"""Messages in text format, and what to say where they are wrong."""

from __future__ import annotations

import re
from typing import TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.tfproto import saved_model_pb2, variable_pb2

M = TypeVar("M", bound=Message)

_FIRST_FIELD = re.compile(rb"(?:\s|#[^\n]*\n)*([A-Za-z_]\w*)\s*[:{<]")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
HEAD_BYTES = 1 << 16
"""How much of a file `first_field` needs: room for a comment before the first field."""

_MAX_NEAR_CHARS = 60


def first_field(head: bytes) -> str | None:
    """The name of the first field where `head` starts a message in text format, else None.

    Binary messages hold control characters (tags, lengths of small fields) from their first bytes on.
    """
    head = head[:HEAD_BYTES]
    found = _FIRST_FIELD.match(head)
    return found[1].decode() if found and not _CONTROL.search(head) else None


def parse_text(data: bytes, message_type: type[M], name: str) -> M:
    """Parse a message in text format.

    Args:
        data: The text, UTF-8.
        message_type: What it is to be.
        name: What the caller calls the file, for messages.

    Raises:
        FreezeError: MALFORMED_MODEL with line, column and the text there.

    """
    message = message_type()
    try:
        # The pool is only ever asked for the message of an Any; the stubs want a whole one.
        text_format.Parse(data.decode("utf-8"), message, descriptor_pool=_AnyTypes())  # type: ignore[arg-type]
    except text_format.ParseError as error:
        raise _malformed(message_type, name, _where(data, error)) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _malformed(message_type, name, f"line {line} is not UTF-8") from None
    except RecursionError:
        raise _malformed(message_type, name, "its messages are nested too deeply") from None
    return message


class _AnyTypes:
    """Finds the messages that an `Any` written out in text names: TensorFlow's, by our statement of them."""

    def FindMessageTypeByName(self, full_name: str) -> object:  # noqa: N802 (a DescriptorPool's method)
        package, _, name = full_name.rpartition(".")
        for module in (saved_model_pb2, variable_pb2):
            if package == "tensorflow" and name in module.DESCRIPTOR.message_types_by_name:
                return module.DESCRIPTOR.message_types_by_name[name]
        raise KeyError(full_name)


def _where(data: bytes, error: text_format.ParseError) -> str:
    """`line 3, column 5, near 'node { nam': ...`."""
    line, column = error.GetLine(), error.GetColumn()
    why = str(error).partition(" : ")[2] if line else str(error)
    if not line:
        return why
    lines = data.split(b"\n")
    near = lines[line - 1].decode(errors="replace").strip()[:_MAX_NEAR_CHARS] if line <= len(lines) else ""
    return f"line {line}, column {column or 1}, near {near!r}: {why.strip().rstrip('.')}"


def _malformed(message_type: type[Message], name: str, why: str) -> FreezeError:
    return FreezeError(
        Reason.MALFORMED_MODEL,
        f"The file {name!r} is not a {message_type.DESCRIPTOR.name} in text format: {why}.",
        subject=name,
    )
