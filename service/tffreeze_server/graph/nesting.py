"""Messages that are read only if they can be written again: how deeply a model's messages may be nested.

Readers of protocol buffers refuse a message nested more than 100 deep (protobuf's `CodedInputStream`), and text
format is parsed and printed by recursion. A part of a model may be written deeper than it was read: a graph goes
into a SavedModel, two messages further down. So every part is parsed as if it stood where it may be written in
the end; what is nested too deeply there is refused here, and no later stage meets it. The wrapping costs a few
bytes for each part, and no second pass.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError, EncodeError

from tffreeze_common.wire import field
from tffreeze_server.parse import parse
from tffreeze_server.tfproto.graph_pb2 import GraphDef, NodeDef
from tffreeze_server.tfproto.saved_model_pb2 import MetaGraphDef, SavedModel

# Field numbers of tensorflow/core/protobuf/saved_model.proto, meta_graph.proto and core/framework/graph.proto.
_SAVED_MODEL_META_GRAPH = 2
_META_GRAPH_GRAPH = 2
_GRAPH_NODE, _GRAPH_LIBRARY = 1, 2
_LIBRARY_FUNCTION = 1
_FUNCTION_NODE = 3


def parse_meta_graph(data: bytes) -> MetaGraphDef:
    """Parse a MetaGraphDef that can be written as part of a SavedModel.

    Raises:
        DecodeError: It is none, or nested too deeply.

    """
    return parse(SavedModel, field(_SAVED_MODEL_META_GRAPH, data)).meta_graphs[0]


def parse_graph(data: bytes) -> GraphDef:
    """Parse a GraphDef that can be written as part of a SavedModel; as `parse_meta_graph`."""
    return parse_meta_graph(field(_META_GRAPH_GRAPH, data)).graph_def


def parse_node(data: bytes) -> NodeDef:
    """Parse a NodeDef that can be written as part of a SavedModel's graph; as `parse_meta_graph`."""
    return parse_graph(field(_GRAPH_NODE, data)).node[0]


def check_body_node(node: NodeDef) -> None:
    """Refuse a node, not parsed from bytes, that could not be written as part of a function's body.

    Raises:
        DecodeError: It is nested too deeply.

    """
    try:
        data = node.SerializeToString()
    except (EncodeError, RecursionError) as error:
        raise DecodeError(str(error)) from None
    for number in (_FUNCTION_NODE, _LIBRARY_FUNCTION, _GRAPH_LIBRARY):
        data = field(number, data)
    parse_graph(data)


def check_nesting(message: GraphDef | MetaGraphDef | SavedModel) -> None:
    """Refuse a message, not parsed from bytes, that could not be written as part of a SavedModel.

    Raises:
        DecodeError: It is nested too deeply.

    """
    try:
        data = message.SerializeToString()
    except (EncodeError, RecursionError) as error:
        raise DecodeError(str(error)) from None
    if isinstance(message, GraphDef):
        parse_graph(data)
    elif isinstance(message, MetaGraphDef):
        parse_meta_graph(data)
    else:
        parse(SavedModel, data)
