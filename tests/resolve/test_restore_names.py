"""The names that a restore op reads are parsed once, however many variables it restores."""

from __future__ import annotations

from tffreeze_server.graph.model import Saver
from tffreeze_server.graph.node import Node, new_node
from tffreeze_server.resolve.restore_ops import CheckpointTensor, RestoreReader
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
    assert [CheckpointTensor(f"v{k}") for k in range(VARIABLES)] == found
    assert 2 == Counted.parsed


def read_file(filename_tensor: str, **files: Node) -> str | None:
    """The key that a restore op reads from the file `files["f"]`; None where that is not the saver's."""
    flat = {**files, "names": strings("names", b"v"), "r": new_node("r", "Restore", ("f", "names"), {})}
    found = RestoreReader(flat, Saver("r", filename_tensor, "the saver")).restored("r")
    return found.key if isinstance(found, CheckpointTensor) else None


def test_the_file_that_is_read() -> None:
    """It comes from the saver's filename tensor, wherever on the way that is; names in a circle are no file's."""
    given, other = new_node("given", "Placeholder", (), {}), new_node("other", "Placeholder", (), {})
    straight = new_node("f", "Identity", ("given",), {})
    assert "v" == read_file("given:0", f=straight, given=given, other=other)
    assert "v" == read_file("f:0", f=straight, given=given)
    assert "v" == read_file("", f=straight, given=given)
    assert None is read_file("other:0", f=straight, given=given, other=other)
    circle = {"f": new_node("f", "Identity", ("g",), {}), "g": new_node("g", "Identity", ("f",), {})}
    assert None is read_file("given:0", **circle)
    assert None is read_file("", **circle)
    assert "v" == read_file("g:0", **circle)
