"""Inputs and outputs named after the keys of the signature."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tffreeze_server.flatten.choose_outputs import Endpoint
from tffreeze_server.graph.attrs import type_attr
from tffreeze_server.graph.node import Node, new_node, node_of, split_tensor
from tffreeze_server.graph.ops import PLACEHOLDER_OPS


@dataclass(frozen=True, slots=True)
class Refusal:
    """An input or output that could not get the name of its key.

    Attributes:
        kind: `input` or `output`.
        end: With the tensor's name in the renamed graph.
        why: The end of a sentence.

    """

    kind: str
    end: Endpoint
    why: str


@dataclass(frozen=True, slots=True)
class Named:
    """A graph and its ends after renaming.

    Attributes:
        nodes: By name.
        tensors: For each old tensor of an end (`(signature_key, key, is_output)`), its new name.
        moved: New names of the nodes that have another one.
        refused: The ends of signatures that could not get the name of their key, and why.

    """

    nodes: dict[str, Node]
    tensors: Mapping[tuple[str, str, bool], str]
    moved: Mapping[str, str]
    refused: tuple[Refusal, ...]


def rename_io(
    nodes: Mapping[str, Node], inputs: tuple[Endpoint, ...], outputs: tuple[Endpoint, ...]
) -> Named:
    """Name the ends of a graph after their keys.

    An input's Placeholder is renamed (one that has several keys keeps its name); an output gets an Identity.
    With several signatures the name is `signature_key/key`. What had the name before gets another one. Ends
    that belong to no signature keep their names where none of a signature asks for them.

    Args:
        nodes: By name; `inputs` and `outputs` name tensors of it.
        inputs: By signature.
        outputs: By signature, dtypes known.

    """
    several = len({e.signature_key for e in (*inputs, *outputs)} - {""}) > 1
    keys_of: dict[str, set[str]] = {}
    for e in _of_signatures(inputs):
        keys_of.setdefault(e.tensor, set()).add(_name(e, several=several))
    names = {
        tensor: keys.pop()
        for tensor, keys in keys_of.items()
        if len(keys) == 1 and tensor in nodes and nodes[tensor].op in PLACEHOLDER_OPS
    }
    # One name for two inputs, or for an input and an output: the first has it.
    new_inputs = {name: tensor for tensor, name in reversed(names.items())}
    made = {_name(e, several=several): e for e in reversed(_of_signatures(outputs))}
    moved = {tensor: name for name, tensor in new_inputs.items() if name != tensor}
    for name in dict.fromkeys((*new_inputs, *made)):
        if name in nodes and new_inputs.get(name) != name and name not in moved:
            moved[name] = _free(f"{name}_1", nodes, new_inputs, made)
    for name in [name for name in made if name in new_inputs]:
        made[_free(f"{name}_output", nodes, new_inputs, made)] = made.pop(name)
    renamed = {moved.get(n.name, n.name): _renamed(n, moved) for n in nodes.values()}
    tensors = {(e.signature_key, e.key, False): _moved(e.tensor, moved) for e in inputs}
    tensors |= {(e.signature_key, e.key, True): _moved(e.tensor, moved) for e in outputs}
    for name, e in sorted(made.items()):
        renamed[name] = new_node(name, "Identity", (_moved(e.tensor, moved),), {"T": type_attr(e.dtype)})
        tensors[e.signature_key, e.key, True] = name
    named = [("input", e, tensors[e.signature_key, e.key, False]) for e in _of_signatures(inputs)]
    named += [("output", e, tensors[e.signature_key, e.key, True]) for e in _of_signatures(outputs)]
    refused = [
        Refusal(kind, replace(e, tensor=tensor), _why(kind, e, nodes, names))
        for kind, e, tensor in named
        if tensor != _name(e, several=several)
    ]
    return Named(renamed, tensors, moved, tuple(refused))


def _why(kind: str, endpoint: Endpoint, nodes: Mapping[str, Node], names: Mapping[str, str]) -> str:
    """Why an end did not get the name of its key."""
    if kind == "input" and endpoint.tensor not in names:
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
