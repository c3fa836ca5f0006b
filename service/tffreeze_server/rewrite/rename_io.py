"""Inputs and outputs named after the keys of the signature.

Theory of operation. `plan_names` chooses all names and changes nothing; `apply_names` then makes the renamed graph in
one pass. An input of a signature is renamed: its Placeholder gets the key's name. An output gets a new Identity of the
key's name, as its node may have other readers and other outputs. With several signatures the name is
`signature_key/key`. Endpoints outside a signature keep their names unless a signature key claims them.

Invariants:
- Each new name belongs to one node. The first input to claim a name gets it; an output that claims the name of an
  input gets `NAME_output`.
- A node that is in the way moves to `NAME_1`; it is never lost, and its readers follow it.
- A name that is made up (`NAME_1`, `NAME_output`) is one that no node has and no key claims.
- A Placeholder with several keys keeps its name, and so does an input that is no Placeholder: each such end is refused,
  with the reason.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tffreeze_server.flatten.choose_outputs import Endpoint
from tffreeze_server.graph.attrs import type_attr
from tffreeze_server.graph.node import Node, new_node, node_of, split_tensor
from tffreeze_server.graph.ops import PLACEHOLDER_OPS


class EndpointKind(enum.StrEnum):
    """Which side of a graph an endpoint is on."""

    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An input or output that could not get the name of its key.

    Attributes:
        side: Whether it is an input or an output.
        end: With the tensor's name in the renamed graph.
        why: The end of a sentence.

    """

    side: EndpointKind
    end: Endpoint
    why: str


@dataclass(frozen=True, slots=True)
class NamePlan:
    """Which nodes of a graph get which names.

    Attributes:
        moved: By name: the new name of each node that gets another one.
        identities: By name: the output of each Identity that is added.
        tensors: For each end (`(signature_key, key, is_output)`), its tensor in the renamed graph.
        refused: The ends of signatures that do not get the name of their key, and why.

    """

    moved: Mapping[str, str]
    identities: Mapping[str, Endpoint]
    tensors: Mapping[tuple[str, str, bool], str]
    refused: tuple[Refusal, ...]


def plan_names(
    nodes: Mapping[str, Node], inputs: tuple[Endpoint, ...], outputs: tuple[Endpoint, ...]
) -> NamePlan:
    """Choose names after the keys of the ends.

    Args:
        nodes: By name; `inputs` and `outputs` name tensors of it.
        inputs: By signature.
        outputs: By signature, dtypes known.

    """
    several = len({e.signature_key for e in (*inputs, *outputs)} - {""}) > 1
    names = _input_names(nodes, inputs, several=several)
    # One name for two inputs, or for an input and an output: the first has it.
    new_inputs = {name: tensor for tensor, name in reversed(names.items())}
    identities = {_name(e, several=several): e for e in reversed(_of_signatures(outputs))}
    moved = {tensor: name for name, tensor in new_inputs.items() if name != tensor}
    for name in dict.fromkeys((*new_inputs, *identities)):
        if name in nodes and new_inputs.get(name) != name and name not in moved:
            moved[name] = _free(f"{name}_1", nodes, new_inputs, identities)
    for name in [name for name in identities if name in new_inputs]:
        identities[_free(f"{name}_output", nodes, new_inputs, identities)] = identities.pop(name)
    tensors = {(e.signature_key, e.key, False): _moved(e.tensor, moved) for e in inputs}
    tensors |= {(e.signature_key, e.key, True): _moved(e.tensor, moved) for e in outputs}
    tensors |= {(e.signature_key, e.key, True): name for name, e in identities.items()}
    ends = [(EndpointKind.INPUT, e, tensors[e.signature_key, e.key, False]) for e in _of_signatures(inputs)]
    ends += [(EndpointKind.OUTPUT, e, tensors[e.signature_key, e.key, True]) for e in _of_signatures(outputs)]
    refused = [
        Refusal(side, replace(e, tensor=tensor), _why(side, e, nodes, names))
        for side, e, tensor in ends
        if tensor != _name(e, several=several)
    ]
    return NamePlan(moved, dict(sorted(identities.items())), tensors, tuple(refused))


def apply_names(plan: NamePlan, nodes: Mapping[str, Node]) -> dict[str, Node]:
    """Give the nodes their new names, and add the Identities."""
    renamed = {plan.moved.get(n.name, n.name): _renamed(n, plan.moved) for n in nodes.values()}
    for name, e in plan.identities.items():
        renamed[name] = new_node(name, "Identity", (_moved(e.tensor, plan.moved),), {"T": type_attr(e.dtype)})
    return renamed


def _input_names(nodes: Mapping[str, Node], inputs: tuple[Endpoint, ...], *, several: bool) -> dict[str, str]:
    """By tensor: the name after its key of each input that is a Placeholder and has one key."""
    keys_of: dict[str, set[str]] = {}
    for e in _of_signatures(inputs):
        keys_of.setdefault(e.tensor, set()).add(_name(e, several=several))
    return {
        tensor: keys.pop()
        for tensor, keys in keys_of.items()
        if len(keys) == 1 and tensor in nodes and nodes[tensor].op in PLACEHOLDER_OPS
    }


def _why(side: EndpointKind, endpoint: Endpoint, nodes: Mapping[str, Node], names: Mapping[str, str]) -> str:
    """Why an end did not get the name of its key."""
    if side is EndpointKind.INPUT and endpoint.tensor not in names:
        node = nodes.get(node_of(endpoint.tensor))
        if node is not None and node.op not in PLACEHOLDER_OPS:
            return f"only a Placeholder is renamed, and its op is {node.op!r}"
        return "it has several keys"
    return "another input or output has that name"


def _of_signatures(ends: Iterable[Endpoint]) -> list[Endpoint]:
    return [e for e in ends if e.signature_key]


def _name(endpoint: Endpoint, *, several: bool) -> str:
    """A node name for a key: what a node's name may not hold becomes `_`."""
    name = f"{endpoint.signature_key}/{endpoint.key}" if several else endpoint.key
    name = re.sub(r"[^A-Za-z0-9_.\\/>-]", "_", name)
    return name if re.match(r"[A-Za-z0-9.]", name) else f"io{name}"


def _free(name: str, *taken: Mapping[str, object]) -> str:
    while any(name in t for t in taken):
        name += "_"
    return name


def _moved(tensor: str, moved: Mapping[str, str]) -> str:
    if tensor.startswith("^"):
        return "^" + moved.get(tensor[1:], tensor[1:])
    node, index = split_tensor(tensor)
    return f"{moved.get(node, node)}:{index}" if index else moved.get(node, node)


def _renamed(node: Node, moved: Mapping[str, str]) -> Node:
    if node.name not in moved and not any(node_of(i) in moved for i in node.inputs):
        return node
    return node._replace(
        name=moved.get(node.name, node.name), inputs=tuple([_moved(i, moved) for i in node.inputs])
    )
