"""One node of a graph or of a function body, in plain form.

Plain form means: inputs are named as in a GraphDef (`node`, `node:1`, `^node`) in function bodies too,
where TensorFlow writes `node:output_arg:1`. So one set of rules serves both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tffreeze_server.tensors.data import Assembled, FileRange
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue
from tffreeze_server.tfproto.graph_pb2 import NodeDef
from tffreeze_server.tfproto.tensor_pb2 import TensorProto


@dataclass(frozen=True, slots=True)
class TensorValue:
    """The value of a constant, by reference where it is large.

    Attributes:
        dtype: The number of a `DataType`, never a ref type.
        shape: The sizes of its dimensions.
        data: Where the bytes are, or the value itself (strings, small constants, initial values).

    """

    dtype: int
    shape: tuple[int, ...]
    data: FileRange | Assembled | TensorProto


class Node(NamedTuple):
    """A node. A tuple, as a graph may have a million of them and frozen dataclasses are made slowly.

    Attributes:
        name: Its name, unique in its graph or body.
        op: The op's or the called function's name.
        inputs: Data inputs in order, then control inputs (`^node`).
        source: What it was read from or built as: its attributes and device count, never its name, op
            and inputs. Shared between nodes; never changed. Serialized where a graph is so large that
            messages, which take ten times the memory, would count.
        value: For a Const whose value is held by reference; `source` then lacks the attribute `value`.

    """

    name: str
    op: str
    inputs: tuple[str, ...]
    source: NodeDef | bytes
    value: TensorValue | None = None

    @property
    def proto(self) -> NodeDef:
        """Its attributes and device; not to be changed."""
        return NodeDef.FromString(self.source) if isinstance(self.source, bytes) else self.source


Nodes = Mapping[str, Node]
"""By name."""


def from_node_def(proto: NodeDef) -> Node:
    """Read a node of a GraphDef; inputs written `a:0` become `a`, so that a tensor has one name."""
    inputs = tuple([name[:-2] if name.endswith(":0") else name for name in proto.input])
    return Node(proto.name, proto.op, inputs, proto)


def compact(proto: NodeDef) -> Node:
    """Read a node of a GraphDef with many nodes."""
    return from_node_def(proto)._replace(source=proto.SerializeToString())


def new_node(
    name: str, op: str, inputs: tuple[str, ...], attrs: Mapping[str, AttrValue], device: str = ""
) -> Node:
    """Make a node that was not in the model."""
    proto = NodeDef(op=op, device=device)
    for key, value in attrs.items():
        proto.attr[key].CopyFrom(value)
    return Node(name, op, inputs, proto)


def with_attrs(node: Node, drop: frozenset[str] = frozenset(), **changes: AttrValue) -> Node:
    """The same node with some attributes set and some dropped."""
    proto = NodeDef()
    proto.CopyFrom(node.proto)
    for key in drop:
        proto.attr.pop(key, None)
    for key, value in changes.items():
        proto.attr[key].CopyFrom(value)
    return node._replace(source=proto)


MAX_INDEX_DIGITS = 9


def index_of(text: str) -> int | None:
    """The output index that the text after a colon is, else None: `7`, but neither `²` nor `07`.

    ASCII digits, few of them: other digits of Unicode are digits to Python and to nobody else, and thousands of
    them no number to Python either. Without leading zeros, so that a tensor has one name.
    """
    is_number = text.isascii() and text.isdigit() and len(text) <= MAX_INDEX_DIGITS
    return int(text) if is_number and (text[0] != "0" or text == "0") else None


def node_of(tensor: str) -> str:
    """The node that an input names: `a` of `a`, `a:1` and `^a`."""
    if tensor.startswith("^"):
        return tensor[1:]
    colon = tensor.rfind(":")
    return tensor[:colon] if colon >= 0 and index_of(tensor[colon + 1 :]) is not None else tensor


def split_tensor(tensor: str) -> tuple[str, int]:
    """The node and the output index of a data input: (`a`, 0) of `a` and `a:0`."""
    name, colon, text = tensor.rpartition(":")
    index = index_of(text) if colon else None
    return (tensor, 0) if index is None else (name, index)


def join_tensor(node: str, index: int) -> str:
    """The name of a tensor as TensorFlow writes it in a GraphDef: `a` for the first, `a:1` for the next."""
    return f"{node}:{index}" if index else node


def full_tensor_name(tensor: str) -> str:
    """The name of a tensor as signatures write it: `a:0`, where a GraphDef may write `a`."""
    node, index = split_tensor(tensor)
    return f"{node}:{index}"
