"""Structure-aware mutation: fields of messages, entries of tables; the bytes around them stay sound.

Each mutation is a function of the bytes and a random seed. What cannot be parsed is left to the byte-wise
mutation of the fuzzer, now and then all the rest is too.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from checkpoint.bundle_writer import table_bytes
from tffreeze_server.budget import Budget
from tffreeze_server.checkpoint import table
from tffreeze_server.errors import FreezeError
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue
from tffreeze_server.tfproto.checkpoint_pb2 import BundleEntryProto, BundleHeaderProto, SavedTensorSlices

Plain = Callable[[bytes], bytes]
"""The fuzzer's own mutation of bytes."""
Mutate = Callable[[bytes, Random, Plain], bytes]

_INTEGERS = (
    0,
    1,
    2,
    3,
    7,
    9,
    20,
    21,
    99,
    101,
    107,
    120,
    -1,
    1 << 20,
    1 << 31,
    (1 << 31) - 1,
    1 << 40,
    1 << 60,
)
_TEXTS = (
    "",
    "^",
    ":",
    "a:0",
    ":1",
    "²",
    "x:²",
    "v",
    "w",
    "b",
    "Const",
    "Placeholder",
    "Identity",
    "Pack",
    "\0",
    "a/b",
)
_BYTES = (b"", b"\xff", b"\0", b"v", b"w", b"b", b"loc:@v", b"a" * 100)
_OPS = (
    "Identity IdentityN Switch Merge Enter Exit NextIteration If While Case PartitionedCall ReadVariableOp "
    "StatefulPartitionedCall ResourceGather ResourceGatherNd VariableShape VarIsInitializedOp VarHandleOp VariableV2 "
    "RefSwitch RefSelect RefMerge AssignVariableOp Assign NoOp Const Placeholder PlaceholderWithDefault Split MapDefun "
    "BatchFunction MapDataset HashTableV2 LookupTableImportV2 LookupTableFindV2 RestoreV2 Pack Fill Reshape Concat "
    "ConcatV2 Range Add Mul StatelessIf StatelessWhile Shape Size Rank Unpack StringJoin ShardedFilename".split()
)


def messages(message_type: type[Message]) -> Mutate:
    """Change fields of one message."""

    def mutate(data: bytes, random: Random, plain: Plain) -> bytes:
        try:
            message = message_type.FromString(data)
        except (DecodeError, UnicodeDecodeError):
            return plain(data)
        if random.random() < 0.05:
            return plain(data)
        _change_message(message, random, plain)
        return message.SerializeToString()

    return mutate


def tables(*kinds: type[Message]) -> Mutate:
    """Change keys and values of a table, values of these kinds field by field; all checksums are made right.

    Args:
        kinds: Of the first value and of the others.

    """

    def mutate(data: bytes, random: Random, plain: Plain) -> bytes:
        entries = _entries(data)
        if entries is None or random.random() < 0.02:
            return plain(data)
        for _ in range(1 + random.randrange(3)):
            _change_entry(entries, kinds, random, plain)
        if random.random() < 0.9:
            entries = sorted(dict(entries).items())
        return table_bytes(entries, entries_per_block=random.choice((1, 3, 99)), snappy=random.random() < 0.2)

    return mutate


BUNDLES = tables(BundleHeaderProto, BundleEntryProto)
V1_TABLES = tables(SavedTensorSlices, SavedTensorSlices)


def behind_first_byte(mutate: Mutate) -> Mutate:
    """The same, where a byte that chooses stands before."""

    def mutate_rest(data: bytes, random: Random, plain: Plain) -> bytes:
        if not data or random.random() < 0.1:
            return plain(data)
        return data[:1] + mutate(data[1:], random, plain)

    return mutate_rest


def _entries(data: bytes) -> list[tuple[bytes, bytes]] | None:
    """The entries of a sound table, else None."""

    def read(length: int, offset: int) -> bytes:
        return data[offset : offset + length]

    try:
        budget = Budget(len(data))
        return list(table.items(table.open_table("table", len(data), read, 1 << 22, budget), read, budget))
    except FreezeError:
        return None


def _change_entry(
    entries: list[tuple[bytes, bytes]], kinds: tuple[type[Message], ...], random: Random, plain: Plain
) -> None:
    if not entries:
        entries.append((b"", b""))
    at = random.randrange(len(entries))
    key, value = entries[at]
    choice = random.random()
    if choice < 0.05:
        del entries[at]
    elif choice < 0.15:
        entries[at] = (plain(key)[:200], value)
    elif choice < 0.2:
        entries.append((key + b"x", value))
    else:
        kind = kinds[0] if not key else kinds[-1]
        try:
            message = kind.FromString(value)
        except (DecodeError, UnicodeDecodeError):
            entries[at] = (key, plain(value))
            return
        _change_message(message, random, plain)
        entries[at] = (key, message.SerializeToString())


def _change_message(message: Message, random: Random, plain: Plain) -> None:
    """Change some fields, anywhere below the message."""
    pool = _Pool()
    pool.fill(message, 0)
    for _ in range(1 + random.randrange(4)):
        target = random.choice(pool.messages)
        fields = [field for field, _ in target.ListFields()]
        field = random.choice(fields if fields and random.random() < 0.8 else target.DESCRIPTOR.fields)
        try:
            _change_field(target, field, pool, random, plain)
        except (ValueError, TypeError, KeyError, UnicodeError):
            continue  # what the message does not take


class _Pool:
    """What is in a message, to be put elsewhere: its messages, and its names."""

    MAX = 5_000

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.texts: list[str] = []

    def fill(self, message: Any, depth: int) -> None:
        """Collect what is below a message."""
        self.messages.append(message)
        if depth > 20 or len(self.messages) > self.MAX:
            return
        for field, value in message.ListFields():
            for item in _items(field, value):
                if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
                    self.fill(item, depth + 1)
                elif isinstance(item, str):
                    self.texts.append(item)


def _items(field: FieldDescriptor, value: Any) -> list[Any]:
    if _is_map(field):
        return list(value.values()) if field.message_type.fields_by_name["value"].message_type else []
    return list(value) if field.is_repeated else [value]


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _change_field(target: Any, field: FieldDescriptor, pool: _Pool, random: Random, plain: Plain) -> None:
    value = getattr(target, field.name)
    if random.random() < 0.15:
        target.ClearField(field.name)
    elif _is_map(field):
        _change_map(value, field, pool, random)
    elif field.is_repeated:
        _change_list(value, field, pool, random, plain)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        _replace(value, pool, random)
    else:
        setattr(target, field.name, _scalar(field, value, pool, random, plain))


def _change_map(value: Any, field: FieldDescriptor, pool: _Pool, random: Random) -> None:
    key = random.choice([*value, *pool.texts[:100], random.choice(_TEXTS)])
    of = field.message_type.fields_by_name["value"]
    if random.random() < 0.2:
        value.pop(key, None)
    elif of.message_type is not None:
        _replace(value[key], pool, random)
    else:
        value[key] = _text(random, pool)


def _change_list(value: Any, field: FieldDescriptor, pool: _Pool, random: Random, plain: Plain) -> None:
    is_message = field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE
    choice = random.random()
    at = random.randrange(len(value)) if value else 0
    if choice < 0.2 and value:
        del value[at]
    elif choice < 0.45 and value:
        items = [copy.deepcopy(item) for item in value]
        if random.random() < 0.5:
            items.insert(random.randrange(len(items) + 1), copy.deepcopy(items[at]))
        else:
            other = random.randrange(len(items))
            items[at], items[other] = items[other], items[at]
        del value[:]
        value.extend(items)
    elif is_message:
        _replace(value.add() if choice < 0.7 or not value else value[at], pool, random)
    else:
        made = _scalar(field, value[at] if value else field.default_value, pool, random, plain)
        if choice < 0.7 or not value:
            value.append(made)
        else:
            value[at] = made


def _replace(value: Any, pool: _Pool, random: Random) -> None:
    """Another message of the same kind in its place."""
    if isinstance(value, AttrValue) and random.random() < 0.4:
        value.CopyFrom(random.choice(_VALUES))
        return
    same = [message for message in pool.messages if message.DESCRIPTOR is value.DESCRIPTOR]
    if same:
        made = copy.deepcopy(random.choice(same))
        if made.ByteSize() < 1 << 14:
            value.CopyFrom(made)


def _scalar(field: FieldDescriptor, value: Any, pool: _Pool, random: Random, plain: Plain) -> Any:
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return random.choice((plain(value), random.choice(_BYTES), random.choice(_TEXTS).encode()))
        if field.name == "op":
            return random.choice(_OPS)
        return _text(random, pool, value)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return not value
    if field.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return random.choice((0.0, -1.0, float("nan"), float("inf"), 1e300))
    return random.choice((*_INTEGERS, value + 1, value - 1, -value, value * 2))


def _text(random: Random, pool: _Pool, value: str = "") -> str:
    text = random.choice(pool.texts if pool.texts and random.random() < 0.5 else _TEXTS)
    if random.random() < 0.3:
        text = value + text
    if random.random() < 0.3:
        text = random.choice(
            (f"{text}:1", f"^{text}", f"{text}:output:0", f"{text}:99", f"{text}/{text}", f"{text}:0")
        )
    return text[:200]


_VALUES = (
    AttrValue(),
    AttrValue(i=-1),
    AttrValue(i=1 << 40),
    AttrValue(s=b"\xff"),
    AttrValue(b=True),
    AttrValue(type=0),  # type: ignore[arg-type]
    AttrValue(type=20),  # type: ignore[arg-type]
    AttrValue(type=99),  # type: ignore[arg-type]
    AttrValue(placeholder="T"),
    AttrValue(list=AttrValue.ListValue()),
    AttrValue(list=AttrValue.ListValue(type=[1, 20, 3])),  # type: ignore[list-item]
    AttrValue(func={"name": "nothere"}),  # type: ignore[arg-type]
    AttrValue(list=AttrValue.ListValue(func=[{"name": "nothere"}, {}])),  # type: ignore[list-item]
)
