"""What a model file holds: its MetaGraphs, each with its graph apart.

Binary files are walked, not parsed whole: the graphs are only found, so that of a SavedModel only the chosen
MetaGraph's graph is read, and of a graph no large constant. Text files are parsed whole: text format cannot
be passed over.
"""

from __future__ import annotations

from dataclasses import dataclass

from tffreeze_common.report import ModelKind
from tffreeze_common.wire import LENGTH, fields
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.detect import ModelType, detect
from tffreeze_server.graph.file_bytes import FileBytes
from tffreeze_server.graph.large_constants import Range, read_graph
from tffreeze_server.graph.nesting import check_nesting, parse_meta_graph
from tffreeze_server.graph.node import Node, from_node_def
from tffreeze_server.graph.text import parse_text
from tffreeze_server.tfproto.graph_pb2 import GraphDef
from tffreeze_server.tfproto.saved_model_pb2 import MetaGraphDef, SavedModel

# Field numbers of tensorflow/core/protobuf/saved_model.proto and meta_graph.proto.
_SAVED_MODEL_META_GRAPH = 2
_META_GRAPH_GRAPH = 2

MAX_TEXT_BYTES = 1 << 25
"""Text format is parsed whole: nodes take 6 to 30 times their text in memory, escaped strings 140 times."""

_KINDS: dict[ModelType, ModelKind] = {
    SavedModel: ModelKind.SAVED_MODEL,
    MetaGraphDef: ModelKind.META_GRAPH,
    GraphDef: ModelKind.GRAPH_DEF,
}


@dataclass(frozen=True, slots=True)
class MetaGraphPart:
    """A MetaGraph of a file.

    Attributes:
        meta_graph: All of it but its graph.
        graph: Where its graph stands in the file (binary), or the graph (text).

    """

    meta_graph: MetaGraphDef
    graph: GraphDef | tuple[Range, ...]

    @property
    def tags(self) -> frozenset[str]:
        """The tags of the MetaGraph."""
        return frozenset(self.meta_graph.meta_info_def.tags)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What a model file holds.

    Attributes:
        kind: What the whole file is.
        parts: Its MetaGraphs; of a bare GraphDef one with an empty MetaGraph.

    """

    kind: ModelKind
    parts: tuple[MetaGraphPart, ...]


def read_file(data: FileBytes) -> ModelFile:
    """Read all but the graphs.

    Raises:
        WireError: It is not a message.
        DecodeError: A part of it is not what it should be.
        FreezeError: MALFORMED_MODEL.

    """
    message_type, text = detect(data)
    kind = _KINDS[message_type]
    whole = Range(0, data.size_bytes)
    if text:
        return _read_text(data, message_type)
    if message_type is GraphDef:
        return ModelFile(kind, (MetaGraphPart(MetaGraphDef(), (whole,)),))
    if message_type is MetaGraphDef:
        return ModelFile(kind, (_read_meta_graph(data, whole),))
    parts = [
        _read_meta_graph(data, Range(field.value, field.end))
        for field in fields(data.read, *whole)
        if field.number == _SAVED_MODEL_META_GRAPH and field.wire_type == LENGTH
    ]
    return ModelFile(kind, tuple(parts))


def _read_meta_graph(data: FileBytes, whole: Range) -> MetaGraphPart:
    graph: list[Range] = []
    rest: list[bytes] = []
    for field in fields(data.read, *whole):
        if field.number == _META_GRAPH_GRAPH and field.wire_type == LENGTH:
            graph.append(Range(field.value, field.end))
        else:
            rest.append(data.read(field.start, field.end))
    return MetaGraphPart(parse_meta_graph(b"".join(rest)), tuple(graph))


def _read_text(data: FileBytes, message_type: ModelType) -> ModelFile:
    if data.size_bytes > MAX_TEXT_BYTES:
        raise _too_large_a_text(data)
    message = parse_text(data.read(0, data.size_bytes), message_type, data.name)
    check_nesting(message)
    if isinstance(message, SavedModel):
        parts = tuple([_part_of(meta_graph) for meta_graph in message.meta_graphs])
        return ModelFile(ModelKind.SAVED_MODEL, parts)
    if isinstance(message, MetaGraphDef):
        return ModelFile(ModelKind.META_GRAPH, (_part_of(message),))
    return ModelFile(ModelKind.GRAPH_DEF, (MetaGraphPart(MetaGraphDef(), message),))


def _too_large_a_text(data: FileBytes) -> FreezeError:
    return FreezeError(
        Reason.UNSUPPORTED_MODEL,
        f"The model {data.name!r} is in text format and has {data.size_bytes:,} bytes. At most "
        f"{MAX_TEXT_BYTES:,} bytes of text are read, as parsing takes many times that. Save the model "
        "in binary (as_text=False).",
        subject=data.name,
    )


def _part_of(meta_graph: MetaGraphDef) -> MetaGraphPart:
    graph = GraphDef()
    graph.CopyFrom(meta_graph.graph_def)
    meta_graph.ClearField("graph_def")
    return MetaGraphPart(meta_graph, graph)


def read_nodes(data: FileBytes, graph: GraphDef | tuple[Range, ...]) -> tuple[list[Node], GraphDef]:
    """The nodes of a part's graph in file order, and what else the graph holds.

    Raises:
        As `read_file`.

    """
    if isinstance(graph, GraphDef):
        return [from_node_def(node) for node in graph.node], graph
    return read_graph(data, graph)
