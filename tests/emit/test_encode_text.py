"""A frozen graph in text format."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from emit.samples import SHARD, dense_graph, one_constant, string_constant, write_shard
from emit.test_encode import encoded
from tffreeze_server.emit.emit import write_file
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.plan.measure import OutputForm, make_plan
from tffreeze_server.rewrite.frozen_graph import FrozenGraph
from tffreeze_server.tensors.data import FileRange
from tffreeze_server.tfproto.graph_pb2 import GraphDef

TEXT = OutputForm(as_text=True)


def test_text_says_the_same_as_binary(tmp_path: Path) -> None:
    """Both forms parse to the same message."""
    files = write_shard(tmp_path)
    expected = GraphDef.FromString(encoded(dense_graph(), files))
    assert expected == text_format.Parse(encoded(dense_graph(), files, TEXT), GraphDef())


def test_every_byte_survives(tmp_path: Path) -> None:
    """Each byte value, before each kind of next character, comes back from the text."""
    data = b"".join(bytes((byte, after)) for byte in range(256) for after in b'0aF7"\\\n\xff')
    (tmp_path / SHARD).write_bytes(data)
    graph = one_constant(FileRange(SHARD, 0, len(data), None), (len(data) // 4,))
    message = text_format.Parse(encoded(graph, {SHARD: tmp_path / SHARD}, TEXT), GraphDef())
    assert data == message.node[0].attr["value"].tensor.tensor_content


@pytest.mark.tensorflow
def test_tensorflow_reads_every_byte_from_the_text(tmp_path: Path) -> None:
    """The C++ parser of text format, which is stricter than Python's, takes the escapes as they are meant."""
    tf = pytest.importorskip("tensorflow")
    data = b"".join(bytes((byte, after)) for byte in range(256) for after in b'0aF7"\\\n\xff')
    (tmp_path / SHARD).write_bytes(data)
    graph = one_constant(FileRange(SHARD, 0, len(data), None), (len(data) // 4,))
    lines = encoded(graph, {SHARD: tmp_path / SHARD}, TEXT).splitlines()
    (content,) = [line for line in lines if b"tensor_content" in line]
    decoded = tf.raw_ops.DecodeProtoV2(
        bytes=[content],
        message_type="tensorflow.TensorProto",
        field_names=["tensor_content"],
        output_types=[tf.string],
        message_format="text",
    )
    assert data == decoded.values[0].numpy().item()


@given(st.binary(max_size=200), st.text(max_size=20))
def test_strings_and_names_survive(value: bytes, name: str) -> None:
    """Strings of any bytes and names of any text come back from the text."""
    graph = FrozenGraph((string_constant(name, value),), (), GraphDef(), (), (), {})
    message = text_format.Parse(encoded(graph, {}, TEXT), GraphDef())
    assert (name, value) == (message.node[0].name, message.node[0].attr["value"].tensor.string_val[0])


def test_weights_longer_than_a_chunk_are_escaped_in_order(tmp_path: Path) -> None:
    """Escapes are never cut by the end of a chunk."""
    data = bytes(range(256)) * 3000
    (tmp_path / SHARD).write_bytes(data)
    graph = one_constant(FileRange(SHARD, 0, len(data), None), (len(data) // 4,))
    message = text_format.Parse(encoded(graph, {SHARD: tmp_path / SHARD}, TEXT), GraphDef())
    assert data == message.node[0].attr["value"].tensor.tensor_content


def test_the_plan_of_text_knows_its_size(tmp_path: Path) -> None:
    """Size is of the escaped text, known before it is written."""
    files = write_shard(tmp_path)
    assert len(encoded(dense_graph(), files, TEXT)) == make_plan(dense_graph(), files, TEXT).size_bytes


def test_a_constant_that_changed_after_the_plan_is_noticed(tmp_path: Path) -> None:
    """A value of the model's own file has no crc32c there: it is held against the text that was measured."""
    (tmp_path / SHARD).write_bytes(b"abcd" * 9)
    graph = one_constant(FileRange(SHARD, 0, 36, None), (9,))
    plan = make_plan(graph, {SHARD: tmp_path / SHARD}, TEXT)
    (tmp_path / SHARD).write_bytes(b"abce" * 9)
    with pytest.raises(FreezeError, match="changed while tffreeze read it") as caught:
        write_file(plan, tmp_path / "out")
    assert Reason.CHECKSUM_MISMATCH is caught.value.reason
    assert [SHARD] == [path.name for path in tmp_path.iterdir()]
