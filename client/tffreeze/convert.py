"""Conversion of the contract's messages to frozen dataclasses with the same fields, and of those to plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from google.protobuf.message import Message

Shape = tuple[int, ...] | None
"""Sizes of a tensor's dimensions, -1 if unknown; None if the rank is unknown."""

_T = TypeVar("_T")
_Items = Mapping[type, Mapping[str, type]]


def read(cls: type[_T], message: Message, items: _Items) -> _T:
    """Read a message.

    Args:
        cls: A dataclass with the fields of the message.
        message: The message.
        items: For each dataclass the fields that hold messages, and the dataclass of those.

    """
    own = items.get(cls, {})
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]  # a dataclass, as said
    return cls(**{name: _value(message, name, own.get(name), items) for name in names})


def _value(message: Message, name: str, item: type | None, items: _Items) -> Any:  # noqa: ANN401 - as many types as fields
    value = getattr(message, name)
    if item is not None:
        is_many = hasattr(value, "add")
        return tuple(read(item, one, items) for one in value) if is_many else read(item, value, items)
    if name == "shape":
        return tuple(value.sizes) if message.HasField("shape") else None
    if name == "all_tags":
        return tuple(tuple(tags.tags) for tags in value)
    if name == "status":
        return _status(value)
    return value if isinstance(value, str | int) else tuple(value)


def _status(number: int) -> str:
    from tffreeze.v1 import inspection_pb2  # noqa: PLC0415 - only an inspection has any

    names = inspection_pb2.VariableStatus
    return names.Name(number).removeprefix("VARIABLE_STATUS_") if number in names.values() else "UNSPECIFIED"


def as_json(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    """Convert a dataclass to a dict for `json.dumps`: field names, plain values, lists."""
    return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}


def _plain(value: Any) -> Any:  # noqa: ANN401 - plain data of any shape
    if dataclasses.is_dataclass(value):
        return as_json(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
