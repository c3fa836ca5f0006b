"""The names that a restore op reads are parsed once, however many variables it restores."""

from __future__ import annotations

from tffreeze_server.graph.model import Saver
from tffreeze_server.graph.node import Node, new_node
from tffreeze_server.resolve.restore_ops import Restored, RestoreReader
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue
from tffreeze_server.tfproto.graph_pb2 import NodeDef
from tffreeze_server.tfproto.tensor_pb2 import TensorProto, TensorShapeProto

VARIABLES = 100


class Counted(Node):
    """A node that says how often it is parsed."""

    parsed = 0

    @property
    def proto(self) -> NodeDef:
        """Parse it."""
        Counted.parsed += 1
        return super().proto


def strings(name: str, *values: bytes) -> Node:
    """A constant of strings, held serialized as in a large graph."""
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=len(values))])
    value = AttrValue(tensor=TensorProto(dtype=7, tensor_shape=shape, string_val=values))
    node = new_node(name, "Const", (), {"value": value})
    assert isinstance(node.source, NodeDef)
    return Counted(*node._replace(source=node.source.SerializeToString()))


def test_names_are_parsed_once() -> None:
    """Names and slices of a hundred variables: two constants, two parses."""
    flat: dict[str, Node] = {
        "file": new_node("file", "Placeholder", (), {}),
        "names": strings("names", *(f"v{k}".encode() for k in range(VARIABLES))),
        "slices": strings("slices", *[b""] * VARIABLES),
        "r": new_node("r", "RestoreV2", ("file", "names", "slices"), {}),
    }
    reader = RestoreReader(flat, Saver("r", "file", "the saver"))
    found = [reader.restored(f"r:{k}" if k else "r") for k in range(VARIABLES)]
    assert [Restored(f"v{k}") for k in range(VARIABLES)] == found
    assert 2 == Counted.parsed
