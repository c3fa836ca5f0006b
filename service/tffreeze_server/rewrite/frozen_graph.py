"""The frozen graph before it is encoded: nodes and functions, weights still references."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tffreeze_server.graph.model import Signature
from tffreeze_server.graph.node import Node, TensorValue
from tffreeze_server.tfproto.graph_pb2 import FunctionDef, GraphDef


@dataclass(frozen=True, slots=True)
class FrozenFunction:
    """A function of the frozen graph's library.

    Attributes:
        proto: The function; a constant held by reference lacks its attribute `value`.
        values: Those values by node name.

    """

    proto: FunctionDef
    values: Mapping[str, TensorValue]


@dataclass(frozen=True, slots=True)
class FrozenGraph:
    """What `rewrite` makes and `plan` encodes.

    Attributes:
        nodes: In topological order (back edges of loops aside).
        functions: What is left of the library, sorted by name.
        versions: A GraphDef with the `versions` of the model and nothing else.
        signatures: The kept signatures, their tensors named as in `nodes`.
        init_ops: Nodes to run once before the outputs (tables), in order.
        assets: File name below `assets/` by name of the constant that holds its path.

    """

    nodes: tuple[Node, ...]
    functions: tuple[FrozenFunction, ...]
    versions: GraphDef
    signatures: tuple[Signature, ...]
    init_ops: tuple[str, ...]
    assets: Mapping[str, str]
