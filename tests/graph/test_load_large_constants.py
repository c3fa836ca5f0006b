"""Large constants of binary graphs stay in their file; damaged files end in an error."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.large_constants import MIN_LARGE_BYTES
from tffreeze_server.graph.load import load
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.tensors.data import FileRange
from tffreeze_server.tfproto.graph_pb2 import GraphDef
from tffreeze_server.tfproto.saved_model_pb2 import MetaGraphDef, SavedModel

FLOATS = MIN_LARGE_BYTES // 4
CONTENT = b"".join(struct.pack("<f", index) for index in range(FLOATS))


def frozen_graph(*, shape: tuple[int, ...] = (FLOATS,), content: bytes = CONTENT) -> GraphDef:
    """A graph with one large constant between small nodes."""
    graph = GraphDef()
    graph.node.add(name="x", op="Placeholder").attr["dtype"].type = 1
    weight = graph.node.add(name="w", op="Const", device="/cpu:0")
    weight.attr["dtype"].type = 1
    weight.attr["value"].tensor.dtype = 1
    weight.attr["value"].tensor.tensor_content = content
    for size in shape:
        weight.attr["value"].tensor.tensor_shape.dim.add(size=size)
    graph.node.add(name="y", op="Mul", input=["x", "w"]).attr["T"].type = 1
    graph.library.function.add().signature.name = "f"
    graph.versions.producer = 7
    return graph


def wrapped(graph: GraphDef, kind: str) -> bytes:
    """The graph alone, in a MetaGraph or in a SavedModel."""
    meta_graph = MetaGraphDef(graph_def=graph, meta_info_def={"tags": ["serve"]})
    messages = {
        "graph_def": graph,
        "meta_graph": meta_graph,
        "saved_model": SavedModel(saved_model_schema_version=1, meta_graphs=[meta_graph]),
    }
    return messages[kind].SerializeToString(deterministic=True)


@pytest.mark.parametrize("kind", ["graph_def", "meta_graph", "saved_model"])
def test_a_large_constant_stays_in_the_file(tmp_path: Path, kind: str) -> None:
    """Its node has all but the value, which is a range of the file with the very bytes."""
    path = tmp_path / "model.pb"
    path.write_bytes(wrapped(frozen_graph(), kind))
    model = load(ModelSource(path), FreezeOptions())
    assert ["x", "w", "y"] == [node.name for node in model.nodes]
    weight = model.nodes[1]
    assert weight.value is not None
    assert (1, (FLOATS,)) == (weight.value.dtype, weight.value.shape)
    assert isinstance(weight.value.data, FileRange)
    start = weight.value.data.offset_bytes
    assert CONTENT == path.read_bytes()[start : start + weight.value.data.length_bytes]
    assert {"model.pb": path} == dict(model.files)
    assert ["dtype"] == list(weight.proto.attr)
    assert "/cpu:0" == weight.proto.device
    assert ["f"] == list(model.library)
    assert 7 == model.versions.versions.producer


def test_a_small_constant_is_read(tmp_path: Path) -> None:
    """Below the bound a constant is part of its node, and no file is needed later."""
    path = tmp_path / "model.pb"
    path.write_bytes(frozen_graph(shape=(FLOATS - 1,), content=CONTENT[4:]).SerializeToString())
    model = load(ModelSource(path), FreezeOptions())
    assert model.nodes[1].value is None
    assert CONTENT[4:] == model.nodes[1].proto.attr["value"].tensor.tensor_content
    assert {} == dict(model.files)


def test_an_odd_constant_is_parsed(tmp_path: Path) -> None:
    """A value written twice is the last one, as for any parser: such a node is not left in the file."""
    graph = frozen_graph()
    weight = graph.node[1]
    attr = bytearray()
    for tensor in (weight.attr["value"], weight.attr["value"]):
        entry = b"\x0a\x05value\x12" + varint(tensor.ByteSize()) + tensor.SerializeToString()
        attr += b"\x2a" + varint(len(entry)) + entry
    del weight.attr["value"]
    node = weight.SerializeToString() + bytes(attr)
    path = tmp_path / "model.pb"
    path.write_bytes(b"\x0a" + varint(len(node)) + node)
    model = load(ModelSource(path), FreezeOptions())
    assert model.nodes[0].value is None
    assert CONTENT == model.nodes[0].proto.attr["value"].tensor.tensor_content


@pytest.mark.parametrize(
    "shape", [(FLOATS + 1,), (FLOATS, 2**62), (-1,), (-1, -FLOATS), (), (2**40, 2**40), (1,) * 255]
)
def test_a_constant_of_another_size_than_its_shape(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Bytes and shape must agree; the error names the constant."""
    path = tmp_path / "model.pb"
    path.write_bytes(frozen_graph(shape=shape).SerializeToString())
    with pytest.raises(FreezeError, match="'w'") as caught:
        load(ModelSource(path), FreezeOptions())
    assert Reason.MALFORMED_MODEL == caught.value.reason


def test_a_constant_without_a_shape(tmp_path: Path) -> None:
    """A shape of unknown rank is that of no constant, whatever sizes stand in it."""
    graph = frozen_graph()
    graph.node[1].attr["value"].tensor.tensor_shape.unknown_rank = True
    path = tmp_path / "model.pb"
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(FreezeError, match="'w'") as caught:
        load(ModelSource(path), FreezeOptions())
    assert Reason.MALFORMED_MODEL == caught.value.reason


def test_a_saved_model_cut_anywhere(tmp_path: Path) -> None:
    """A file cut at any byte loads as less (a cut between fields cannot be seen) or is malformed."""
    graph = frozen_graph(shape=(2,), content=CONTENT[:8])
    whole = wrapped(graph, "saved_model")
    path = tmp_path / "model.pb"
    outcomes = set()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            load(ModelSource(path), FreezeOptions())
            outcomes.add(None)
        except FreezeError as error:
            outcomes.add(error.reason)
    assert {Reason.MALFORMED_MODEL} == outcomes


@pytest.mark.parametrize("kind", ["graph_def", "meta_graph", "saved_model"])
def test_flipped_bits(tmp_path: Path, kind: str) -> None:
    """Whatever bit is wrong, the model loads or is an error with a reason."""
    whole = wrapped(frozen_graph(), kind)
    places = random.Random(7)
    path = tmp_path / "model.pb"
    starts = [
        *range(200),
        *(places.randrange(len(whole)) for _ in range(20)),
        *range(len(whole) - 200, len(whole)),
    ]
    for at in starts:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << places.randrange(8)
        path.write_bytes(damaged)
        reason = None
        try:
            load(ModelSource(path), FreezeOptions())
        except FreezeError as error:
            reason = error.reason
        assert reason in {None, Reason.MALFORMED_MODEL, Reason.TAGS_NOT_FOUND}, at


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x08\x01\x12\xff\xff\xff\xff\x0f" + b"\x0a" * 50,
        b"\x0b" * 100,
        b"\x08\x01" + b"\x12\x02\x12\x00" * 1000,
    ],
)
def test_hostile_lengths(tmp_path: Path, hostile: bytes) -> None:
    """Lengths past the end, numbers without end and groups are errors at once."""
    path = tmp_path / "model.pb"
    path.write_bytes(hostile)
    with pytest.raises(FreezeError) as caught:
        load(ModelSource(path), FreezeOptions())
    assert caught.value.reason in {Reason.MALFORMED_MODEL, Reason.TAGS_NOT_FOUND}


def test_a_sparse_gigabyte_is_not_read(tmp_path: Path) -> None:
    """A constant of a gigabyte (a hole in the file) is loaded by reference, whatever memory there is."""
    size_bytes = 1 << 30
    small = frozen_graph(shape=(size_bytes // 4,), content=b"")
    tensor = small.node[1].attr["value"].tensor.SerializeToString() + b"\x22" + varint(size_bytes)
    attr = b"\x42" + varint(len(tensor) + size_bytes) + tensor
    entry = b"\x0a\x05value\x12" + varint(len(attr) + size_bytes) + attr
    node = b"\x0a\x01w\x12\x05Const\x2a" + varint(len(entry) + size_bytes) + entry
    head = b"\x0a" + varint(len(node) + size_bytes) + node
    path = tmp_path / "model.pb"
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + size_bytes)
    (weight,) = load(ModelSource(path), FreezeOptions()).nodes
    assert weight.value is not None
    assert FileRange("model.pb", len(head), size_bytes, None) == weight.value.data


def varint(number: int) -> bytes:
    """A number as the wire has it."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
