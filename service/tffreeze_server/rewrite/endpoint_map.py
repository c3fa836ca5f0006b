"""Inputs and outputs: as the model names them, and as the flat graph does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tffreeze_server.flatten.choose_outputs import Endpoint, Endpoints
from tffreeze_server.flatten.flat_graph import FlatGraph
from tffreeze_server.graph.attrs import read_shape
from tffreeze_server.graph.node import Node, join_tensor, node_of, split_tensor
from tffreeze_server.graph.op_registry import OpRegistry
from tffreeze_server.graph.ops import PLACEHOLDER_OPS
from tffreeze_server.tensors.dtypes import base

# What an output costs until it stands in the report, in steps and bytes of a budget.
_END_STEPS, _END_BYTES = 45, 800


@dataclass(frozen=True, slots=True)
class EndpointMap:
    """What is known of inputs and outputs once the graph is flat.

    Attributes:
        endpoints: What the caller chose.
        flat: What that reaches.
        registry: Knows the outputs of ops.
        init_ops: Nodes to run once before the outputs.

    """

    endpoints: Endpoints
    flat: FlatGraph
    registry: OpRegistry
    init_ops: tuple[str, ...]

    def original_outputs(self, nodes: Mapping[str, Node]) -> tuple[Endpoint, ...]:
        """Outputs as the model names them; those asked for by name with all they give in the converted graph."""
        named = []
        for name in self.endpoints.named:
            node = self.flat.nodes[node_of(self.flat.tensors[name])]
            types = self._types(nodes.get(node.name, node)) or self._types(node)
            if name == node.name and len(types) > 1:
                count = len(types)
                self.registry.budget.draw("the outputs", _END_STEPS * count, _END_BYTES * count, subject=name)
                tensors = [join_tensor(name, k) for k in range(count)]
                named += [Endpoint("", n, n, t, None) for n, t in zip(tensors, types, strict=True)]
            else:
                index = split_tensor(self.flat.tensors[name])[1]
                named.append(Endpoint("", name, name, types[index] if index < len(types) else 0, None))
        return (*self.endpoints.outputs, *named)

    def original_inputs(self) -> tuple[Endpoint, ...]:
        """Inputs as the model names them: of the signatures and where it was cut, or else all Placeholders."""
        origin = {new: old for old, new in self.flat.tensors.items()}
        placeholders = [n for n in self.flat.nodes.values() if n.op in PLACEHOLDER_OPS]
        if self.endpoints.signatures:
            cuts = {self.flat.tensors[t] for t in self.flat.cuts} - {e.tensor for e in self.endpoints.inputs}
            placeholders = [n for n in placeholders if n.name in cuts]
        found = tuple(
            Endpoint("", n.name, origin.get(n.name, n.name), self._types(n)[0], _placeholder_shape(n))
            for n in placeholders
        )
        return (*self.endpoints.inputs, *found)

    def moved(self, endpoint: Endpoint) -> Endpoint:
        """An end of the model as an end of the flat graph."""
        return replace(endpoint, tensor=self.flat.tensors.get(endpoint.tensor, endpoint.tensor))

    def typed(self, endpoint: Endpoint, nodes: Mapping[str, Node]) -> Endpoint:
        """An output with its dtype, where its signature, like those of 2016, tells none."""
        name, index = split_tensor(endpoint.tensor)
        types = () if endpoint.dtype or name not in nodes else self._types(nodes[name])
        return replace(endpoint, dtype=types[index]) if index < len(types) else endpoint

    def _types(self, node: Node) -> tuple[int, ...]:
        return tuple([base(t) for t in self.registry.types(node)])


def _placeholder_shape(node: Node) -> tuple[int, ...] | None:
    value = node.proto.attr.get("shape")
    return None if value is None else read_shape(value.shape, node.name)
