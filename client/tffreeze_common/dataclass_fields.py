"""Dataclasses as messages of the contract and back, and as JSON: the type of a field says how.

| type of the field | in the message | as JSON |
|---|---|---|
| `str`, `int`, `bool` | the same | the same |
| `str`, or None | empty for None | text, or null |
| sizes, or None (`Shape`) | a `Shape`; not set for None | a list, or null |
| a frozenset of texts, or None | a `TagSet`; not set for None | a sorted list, or null |
| an `Enum` | the number is the member's place, from 0 | the value |
| a dataclass | a message | an object |
| a tuple of these, or of tuples of texts (`TagSet`) | repeated | a list |
"""

from __future__ import annotations

import dataclasses
import enum
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

if TYPE_CHECKING:
    from google.protobuf.message import Message

    _Message = TypeVar("_Message", bound=Message)

_T = TypeVar("_T")

_WRAPPED = {tuple[int, ...] | None: ("sizes", tuple), frozenset[str] | None: ("tags", frozenset)}
"""Types of which the message has one repeated field: its name, and what its values make."""


@cache
def _types(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def from_message(kind: type[_T], message: Message) -> _T:
    """Make a dataclass from a message that has the same fields."""
    return kind(**{name: _read(message, name, its_type) for name, its_type in _types(kind).items()})  # type: ignore[arg-type]  # hashable


def _read(message: Message, name: str, its_type: Any) -> Any:  # noqa: ANN401 - as many types as fields
    value = getattr(message, name)
    if its_type in _WRAPPED:
        inner, make = _WRAPPED[its_type]
        return make(getattr(value, inner)) if message.HasField(name) else None
    if its_type == str | None:
        return value or None
    if dataclasses.is_dataclass(its_type):
        return from_message(its_type, value)  # type: ignore[arg-type]  # a class: it is a type
    if isinstance(its_type, enum.EnumType):
        members: list[enum.Enum] = list(its_type)
        return members[value if 0 <= value < len(members) else 0]
    return value if isinstance(its_type, type) else _read_items(get_args(its_type)[0], value)


def _read_items(its_type: Any, values: Any) -> tuple[Any, ...]:  # noqa: ANN401 - as many types as fields
    if dataclasses.is_dataclass(its_type):
        return tuple(from_message(its_type, value) for value in values)  # type: ignore[arg-type]  # a class
    return tuple(values) if its_type is str else tuple(tuple(value.tags) for value in values)


def to_message(message: _Message, value: Any) -> _Message:  # noqa: ANN401 - any dataclass
    """Fill a new message from a dataclass that has the same fields."""
    for name, its_type in _types(type(value)).items():  # type: ignore[arg-type]  # hashable
        item = getattr(value, name)
        if item is not None:
            _write(message, name, its_type, item)
    return message


def _write(message: Message, name: str, its_type: Any, value: Any) -> None:  # noqa: ANN401 - as many types as fields
    field = getattr(message, name)
    if its_type in _WRAPPED:
        field.SetInParent()
        getattr(field, _WRAPPED[its_type][0]).extend(sorted(value) if isinstance(value, frozenset) else value)
    elif isinstance(value, tuple):
        _write_items(field, value)
    elif dataclasses.is_dataclass(value):
        to_message(field, value)
    elif isinstance(its_type, enum.EnumType):
        setattr(message, name, list(its_type).index(value))
    else:  # a `StrEnum` in a field of type `str` is text
        setattr(message, name, value)


def _write_items(field: Any, values: tuple[Any, ...]) -> None:  # noqa: ANN401 - a repeated field
    if not values or isinstance(values[0], str):
        field.extend(values)
        return
    for value in values:
        if isinstance(value, tuple):
            field.add(tags=value)
        else:
            to_message(field.add(), value)


def as_json(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    """Give a dataclass as what `json.dumps` takes: the names of the fields, plain values, lists."""
    return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}


def _plain(value: Any) -> Any:  # noqa: ANN401 - plain data of any shape
    if dataclasses.is_dataclass(value):
        return as_json(value)
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, enum.Enum):
        return value.value
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
