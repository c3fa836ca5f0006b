"""Names of tensors that a restore op reads through any number of Packs."""

from __future__ import annotations

from tffreeze_server.graph.model import Saver
from tffreeze_server.graph.node import Node, new_node
from tffreeze_server.resolve.restore_ops import RestoreReader
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue
from tffreeze_server.tfproto.graph_pb2 import NodeDef
from tffreeze_server.tfproto.tensor_pb2 import TensorProto


def test_a_name_is_found_through_thousands_of_packs() -> None:
    """Deeper than Python's stack."""
    value = AttrValue(tensor=TensorProto(dtype=7, tensor_shape={}, string_val=[b"key"]))  # type: ignore[arg-type]
    flat: dict[str, Node] = {"p0": new_node("p0", "Const", (), {"value": value})}
    for i in range(1, 3_001):
        flat[f"p{i}"] = new_node(f"p{i}", "Pack", (f"p{i - 1}",), {})
    reader = Node("r", "RestoreV2", (), NodeDef())
    assert "key" == RestoreReader(flat, Saver("r", "", ""))._string("p3000", 0, reader)
