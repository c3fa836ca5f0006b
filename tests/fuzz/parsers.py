"""Targets that are one parser each: the bytes are the file, or stand in a file that is sound but for them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from google.protobuf.message import DecodeError

from checkpoint.bundle_writer import masked, read, table_bytes
from fuzz.files import folder, samples
from tffreeze.asked import Asked
from tffreeze.chunk_messages import read_response
from tffreeze.errors import TffreezeError
from tffreeze.local_model import find_model
from tffreeze.receive import Receiver
from tffreeze.v1 import freeze_service_pb2
from tffreeze_common.wire import WireError
from tffreeze_server.budget import Budget
from tffreeze_server.checkpoint import table
from tffreeze_server.checkpoint.find_checkpoint import find_checkpoint
from tffreeze_server.checkpoint.lookup import Lookup
from tffreeze_server.checkpoint.open import open_checkpoint
from tffreeze_server.checkpoint.ordered_code import part_key
from tffreeze_server.checkpoint.strings import read_strings
from tffreeze_server.checkpoint.v1_values import V1Value
from tffreeze_server.graph.file_bytes import FileBytes
from tffreeze_server.graph.load import load
from tffreeze_server.graph.model_file import read_file, read_nodes
from tffreeze_server.graph.text import parse_text
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.tensors import crc32c
from tffreeze_server.tensors.data import FileRange
from tffreeze_server.tensors.files import SourceFiles
from tffreeze_server.tfproto.graph_pb2 import GraphDef
from tffreeze_server.tfproto.saved_model_pb2 import MetaGraphDef, SavedModel

_TEXT_TYPES = (GraphDef, MetaGraphDef, SavedModel)
_V1_KEY = part_key(b"v", [(0, -1)])


def wire(data: bytes) -> None:
    """A model file: what it is, its parts, their nodes."""
    path = _written("model.pb", data)
    with FileBytes(path, path.name) as file:
        try:
            for part in read_file(file).parts:
                read_nodes(file, part.graph)
        except (WireError, DecodeError):
            return


def text(data: bytes) -> None:
    """A message in text format; the first byte says which."""
    if data:
        parse_text(data[1:], _TEXT_TYPES[data[0] % len(_TEXT_TYPES)], "model.pbtxt")


def sorted_table(data: bytes) -> None:
    """A table: all its entries, and each of them found by its key."""
    path = _written("table", data)
    with SourceFiles({"table": path}) as files:
        read_at: table.Read = lambda length, offset: files.pread("table", length, offset)  # noqa: E731
        budget = Budget(len(data))
        opened = table.open_table("table", len(data), read_at, 1 << 26, budget)
        for key, value in table.items(opened, read_at, budget):
            found = Lookup(opened).find(key, read_at)
            assert found == value, (key, found, value)


def bundle_index(data: bytes) -> None:
    """The index of a bundle whose data file is there: every entry, and every value by reference."""
    prefix = folder() / "bundle"
    _written("bundle.index", data)
    _written("bundle.data-00000-of-00001", samples().weights)
    _read_all(prefix)


def v1_table(data: bytes) -> None:
    """A V1 checkpoint: every entry and every value."""
    _read_all(_written("v1", data))


def ordered_code(data: bytes) -> None:
    """Keys of parts sort as what they stand for, whatever their name and place."""
    half = len(data) // 2
    first, second = (_name_and_extents(part) for part in (data[:half], data[half:]))
    keys = [part_key(name, extents) for name, extents in (first, second)]
    flat = [(name, len(extents), extents) for name, extents in (first, second)]
    assert (keys[0] < keys[1], keys[0] == keys[1]) == (flat[0] < flat[1], flat[0] == flat[1]), flat


def v1_value(data: bytes) -> None:
    """The value of a V1 checkpoint: the first byte is its dtype, the next its number of elements."""
    if len(data) < 2:
        return
    path = _written("value", table_bytes([(b"", b""), (_V1_KEY, data[2:])]))
    with SourceFiles({"value": path}) as files:
        read_at: table.Read = lambda length, offset: files.pread("value", length, offset)  # noqa: E731
        opened = table.open_table("value", path.stat().st_size, read_at, 1 << 26, Budget())
        dtypes = (1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 14, 17, 18, 19, 22, 23)
        sizes = (4, 8, 4, 1, 2, 1, 8, 8, 1, 1, 2, 2, 16, 2, 4, 8)
        which = data[0] % len(dtypes)
        length_bytes = data[1] * sizes[which]
        value = V1Value(length_bytes, Lookup(opened), _V1_KEY, "v", dtypes[which])
        given = b"".join(value.chunks(files))
        assert len(given) == length_bytes
        assert bytes(value.open(files)(length_bytes, 0)) == given


def strings(data: bytes) -> None:
    """A string tensor, its checksums right: the first byte is its number of elements."""
    if not data or not data[0]:
        return
    stored = _with_string_crcs(data[0], data[1:])
    path = _written("strings", stored[0])
    with SourceFiles({"strings": path}) as files:
        found = read_strings("s", data[0], FileRange("strings", 0, len(stored[0]), stored[1]), files)
    assert len(found) == data[0]


def saver(data: bytes) -> None:
    """The caller's SaverDef, binary or text."""
    load(ModelSource(samples().model, saver=_written("saver", data)), FreezeOptions())


def op_list(data: bytes) -> None:
    """The caller's OpList, binary or text."""
    load(ModelSource(samples().model, op_list=_written("ops", data)), FreezeOptions())


def checkpoint_state(data: bytes) -> None:
    """A `checkpoint` state file, read by the engine and by the client."""
    path = _written("state/checkpoint", data)
    _written("state/model.index", b"")
    with suppress(TffreezeError):
        find_model(samples().model, {"checkpoint": path.parent})
    find_checkpoint(path.parent)


class _Bin:
    """An output that only counts."""

    def __init__(self) -> None:
        self.written_bytes = 0

    def begin(self, name: str, size_bytes: int) -> None:
        """Whatever the name: the contract was checked."""
        assert not name.startswith("/")
        assert ".." not in name.split("/")
        assert size_bytes >= 0

    def write(self, data: bytes) -> None:
        """Count it."""
        self.written_bytes += len(data)


def _asked() -> Asked:
    """A SPLICE of the sample model: its pieces may come from the caller's files."""
    spec = freeze_service_pb2.FreezeSpec(delivery=freeze_service_pb2.DELIVERY_SPLICE)
    return Asked(spec, samples().declared)


def client_stream(data: bytes) -> None:
    """What a server sends, each message behind its length in two bytes: the client's reader of it."""
    messages = list(_messages(data))
    try:
        with Receiver(_Bin(), _asked(), 100, sha256=True) as receiver:  # type: ignore[arg-type]
            for message in messages:
                for _ in receiver.take(read_response(message)):
                    pass
    except (TffreezeError, DecodeError):
        return


def _messages(data: bytes) -> Sequence[bytes]:
    found, position = [], 0
    while position + 2 <= len(data):
        (length,) = struct.unpack_from("<H", data, position)
        found.append(data[position + 2 : position + 2 + length])
        position += 2 + length
    return found


def _written(name: str, data: bytes) -> Path:
    path = folder() / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def _read_all(location: Path) -> None:
    checkpoint = open_checkpoint(location)
    for key, entry in checkpoint.entries.items():
        if entry.size_bytes < 1 << 24:
            read(checkpoint, key)
    checkpoint.object_graph()


def _name_and_extents(data: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    length = data[0] % 8 if data else 0
    numbers = data[1 + length :]
    whole = [struct.unpack_from("<q", numbers, at)[0] for at in range(0, len(numbers) - 7, 8)]
    return data[1 : 1 + length], list(zip(whole[::2], whole[1::2], strict=False))


def _with_string_crcs(elements: int, data: bytes) -> tuple[bytes, int]:
    """The data with the right checksum behind as many lengths, and the checksum of all."""
    lengths, position = [], 0
    for _ in range(elements):
        number = shift = 0
        while position < len(data):
            byte = data[position]
            position += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 or shift > 63:
                break
        lengths.append(number)
    fixed = b"".join(
        (n & 2**64 - 1).to_bytes(4 if n < 2**32 else 8, "little") for n in (n % 2**64 for n in lengths)
    )
    crc = crc32c.extend(0, fixed)
    rest = struct.pack("<I", masked(crc)) + data[position:]
    return data[:position] + rest, crc32c.extend(crc, rest)
