"""Small graphs for tests, written as text."""

from __future__ import annotations

from google.protobuf import text_format

from tffreeze_server.graph.node import Node, from_node_def
from tffreeze_server.tfproto.graph_pb2 import FunctionDef, GraphDef


def graph(text: str) -> dict[str, Node]:
    """Nodes by name, of a GraphDef in text format."""
    return {proto.name: from_node_def(proto) for proto in text_format.Parse(text, GraphDef()).node}


def library(text: str) -> dict[str, FunctionDef]:
    """Functions by name, of a GraphDef in text format."""
    functions = text_format.Parse(text, GraphDef()).library.function
    return {function.signature.name: function for function in functions}


def shape_of(nodes: dict[str, Node]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Op and inputs of each node: what most tests compare."""
    return {name: (node.op, node.inputs) for name, node in nodes.items()}
