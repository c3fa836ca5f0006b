"""Encoding a frozen graph as segments of a GraphDef in text format.

Nodes are written one by one, and a constant's contents are escaped chunk by chunk, so memory does not grow with the
weights. The length of the escaped contents is not known without reading them. So each weight is read twice: once
here, once when it is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf import text_format
from google.protobuf.message import Message

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.node import TensorValue
from tffreeze_server.plan.encode import node_message, tensor_head, without_nodes
from tffreeze_server.plan.message_size import check_constant, check_weights_size
from tffreeze_server.plan.plan import Segment
from tffreeze_server.plan.segments import joined
from tffreeze_server.rewrite.frozen_graph import FrozenFunction, FrozenGraph
from tffreeze_server.tensors.crc32c import extend
from tffreeze_server.tensors.data import Assembled, FileRange
from tffreeze_server.tensors.files import SourceFiles
from tffreeze_server.tensors.verified import verified_chunks
from tffreeze_server.tfproto.graph_pb2 import NodeDef
from tffreeze_server.tfproto.tensor_pb2 import TensorProto


@dataclass(frozen=True, slots=True)
class EscapedText(Assembled):
    """The contents of a constant, escaped for text format.

    Attributes:
        data: The contents.
        name: Name of the constant, for messages.
        length_bytes: Length of the escaped text.
        crc32c: crc32c of the escaped text.

    """

    data: FileRange | Assembled
    name: str
    length_bytes: int
    crc32c: int

    def chunks(self, files: SourceFiles) -> Iterator[bytes]:
        """Yield the text. Its crc32c must be the one measured: a value of the model has no stored crc32c."""
        crc = 0
        for chunk in _escaped_chunks(self.data, files, self.name):
            crc = extend(crc, chunk)
            yield chunk
        if crc != self.crc32c:
            raise FreezeError(
                Reason.CHECKSUM_MISMATCH,
                f"The value of {self.name!r} changed while tffreeze read it. Freeze again.",
                subject=self.name,
            )


def text_graph_segments(graph: FrozenGraph, files: SourceFiles) -> list[Segment]:
    """Encode a frozen graph as a GraphDef in text format.

    Raises:
        FreezeError: GRAPH_TOO_LARGE; what reading the weights raises.

    """
    return list(joined(text_graph(graph, files, indent=0)))


def text_graph(graph: FrozenGraph, files: SourceFiles, indent: int) -> Iterator[Segment]:
    """Yield the fields of the GraphDef, indented by `indent` spaces."""
    check_weights_size(graph)
    for node in graph.nodes:
        yield from _node("node", node_message(node), node.value, files, indent)
    if graph.functions:
        yield _line("library {", indent)
        for function in graph.functions:
            yield from _function(function, files, indent + 2)
        yield _line("}", indent)
    yield text(graph.versions, indent)


def text(message: Message, indent: int) -> bytes:
    """Print a message's fields, indented by `indent` spaces; map entries in key order."""
    return text_format.MessageToString(message, indent=indent).encode()


def _function(function: FrozenFunction, files: SourceFiles, indent: int) -> Iterator[Segment]:
    yield _line("function {", indent)
    yield text(without_nodes(function.proto), indent + 2)
    for node in function.proto.node_def:
        check_constant(node)
        yield from _node("node_def", node, function.values.get(node.name), files, indent + 2)
    yield _line("}", indent)


def _node(
    field: str, message: NodeDef, value: TensorValue | None, files: SourceFiles, indent: int
) -> Iterator[Segment]:
    yield _line(f"{field} {{", indent)
    yield text(message, indent + 2)
    if value is not None:
        yield _line("attr {", indent + 2)
        yield _line('key: "value"', indent + 4)
        yield _line("value {", indent + 4)
        yield _line("tensor {", indent + 6)
        yield from _tensor(value, message.name, files, indent + 8)
        yield _line("}", indent + 6)
        yield _line("}", indent + 4)
        yield _line("}", indent + 2)
    yield _line("}", indent)


def _tensor(value: TensorValue, name: str, files: SourceFiles, indent: int) -> Iterator[Segment]:
    if isinstance(value.data, TensorProto):
        yield text(value.data, indent)
        return
    yield text(tensor_head(value), indent)
    yield (" " * indent + 'tensor_content: "').encode()
    yield _escaped(value.data, name, files)
    yield b'"\n'


def _escaped(data: FileRange | Assembled, name: str, files: SourceFiles) -> EscapedText:
    length_bytes = crc = 0
    for chunk in _escaped_chunks(data, files, name):
        length_bytes += len(chunk)
        crc = extend(crc, chunk)
    return EscapedText(data, name, length_bytes, crc)


def _escaped_chunks(data: FileRange | Assembled, files: SourceFiles, name: str) -> Iterator[bytes]:
    for chunk in verified_chunks(data, files, name):
        # Python's escapes of backslash, line ends and `\xNN` mean the same in text format, where `\x` takes
        # at most two digits (protobuf/src/google/protobuf/io/tokenizer.cc).
        yield chunk.decode("latin-1").encode("unicode_escape").replace(b'"', b'\\"')


def _line(line: str, indent: int) -> bytes:
    return f"{' ' * indent}{line}\n".encode()
