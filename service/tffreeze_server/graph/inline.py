"""Function calls replaced by the bodies they call.

Theory of operation. A call `c` of function `f` becomes the nodes of `f`, named `c/NODE`:
- What read output `c:k` reads the body's result `k`. What read argument `a` in the body reads the call's input.
- What had a control dependency on `c` (`^c`) depends on all results and control results of the body: where there is
  such a reader, a NoOp keeps the name `c`.
- Body nodes without inputs inherit the control inputs of `c`, except those that give the same whenever they run. So
  do nodes that read nothing but such nodes and arguments.

A data result depends only on what it reads: an assert or a print beside it is pruned, as in any pruned graph, and the
report says so. Writes that pruning would lose are dealt with in `flatten/lost_writes.py`. Functions marked `_noinline`
stay calls.

In a graph with TensorFlow 1 control flow, a node without inputs must know in which frame of a loop and in which branch
it runs. It then depends on an Identity of an input of the call. (A control dependency on a Switch itself would be
satisfied by either branch.)

Bodies are inlined bottom up, each once for each set of attribute values (`Inliner.body`), and copied into each caller.

Invariants:
- No inlined node gets the name of another node: where `c/NODE` is taken, the prefix is made longer.
- A body that the inliner holds has no call left but those that must stay.
- Every copy draws from the budget before it is made, so work and memory are bounded by the input.
- Neither the nodes that are handed in nor their messages are changed.

Facts: `core/common_runtime/inline_function_utils.cc`, and `ExecutorImpl` in `core/common_runtime/executor.cc`.
"""

from __future__ import annotations

import operator
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tffreeze_server.errors import FreezeError, Reason, nearest
from tffreeze_server.graph.attrs import type_attr
from tffreeze_server.graph.body import Body, to_body
from tffreeze_server.graph.node import Node, join_tensor, new_node, node_of
from tffreeze_server.graph.op_registry import Library, OpRegistry
from tffreeze_server.graph.ops import FRAME_OPS, INLINED_OPS, TIMELESS_OPS, is_write
from tffreeze_server.graph.order import reachable
from tffreeze_server.graph.paths import shown
from tffreeze_server.tensors.dtypes import base
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue
from tffreeze_server.tfproto.graph_pb2 import NodeDef

MAX_CALL_DEPTH = 200

# What things cost, in steps and bytes of a budget: as measured for whole freezes.
_REACHED_STEPS = 3
_NODE_STEPS, _NODE_BYTES = 25, 1000
_INPUT_STEPS, _INPUT_BYTES = 2, 150
_RESULT_STEPS, _RESULT_BYTES = 3, 250
_ATTRS_BYTES = 4
"""Of memory for a byte of a node's attributes: they are copied for a device, and written."""

_Key = tuple[str, bytes]
"""A function and the values of its attributes."""


def called_function(node: Node, library: Library) -> tuple[str, Mapping[str, AttrValue]] | None:
    """The function a node calls and the values of its attributes; None where it calls none or must stay a call."""
    if node.op in INLINED_OPS:
        called = node.proto.attr["f"].func if "f" in node.proto.attr else None
        name, attrs = (called.name, called.attr) if called else ("", {})
        if name not in library:
            raise FreezeError(
                Reason.MALFORMED_MODEL,
                f"The node {node.name!r} calls the function {name!r}, which is not in the model's library. "
                f"{nearest(name, library)}",
                subject=node.name,
            )
    elif node.op in library:
        name, attrs = node.op, node.proto.attr
    else:
        return None
    noinline = _flag(library[name].attr, "_noinline") or _flag(node.proto.attr, "_noinline")
    return None if noinline else (name, attrs)


class BodySize(NamedTuple):
    """How large a body is.

    Attributes:
        nodes: How many it has.
        inputs: Of all its nodes together.
        results: Data and control results.
        names_bytes: Of the names of nodes and inputs.
        attrs_bytes: Of the attributes of its nodes.

    """

    nodes: int
    inputs: int
    results: int
    names_bytes: int
    attrs_bytes: int


def size_of(body: Body) -> BodySize:
    """Measure a body."""
    nodes = body.nodes.values()
    return BodySize(
        len(nodes),
        sum([len(node.inputs) for node in nodes]),
        len(body.results) + len(body.control_results),
        sum([len(node.name) + sum(map(len, node.inputs)) for node in nodes])
        + sum(map(len, body.result_tensors)),
        sum([node.proto.ByteSize() for node in nodes]),
    )


def nodes_run_by(nodes: Mapping[str, Node], roots: Iterable[str], inliner: Inliner) -> dict[str, Node]:
    """What runs when the roots are run: what they reach, all calls inlined, and all that these calls write.

    Args:
        nodes: The nodes of the graph, by name.
        roots: Names of nodes. A root that is a call stays as a NoOp of its name that waits for the whole call.
        inliner: Of the model's functions.

    Raises:
        FreezeError: MALFORMED_MODEL; UNSUPPORTED_OP for recursion; UNKNOWN_OP; MODEL_TOO_COMPLEX.

    """
    roots = list(roots)
    reached = reachable(nodes, roots)
    inliner.registry.budget.draw("what savers and initializers run", _REACHED_STEPS * len(reached))
    flat, _ = inline_calls(reached, inliner, frozenset(roots), nodes)
    writes = [name for name, node in flat.items() if is_write(node.op)]
    return reachable(flat, [*roots, *writes])


@dataclass(eq=False, slots=True)
class Inliner:
    """Inlines calls. Grows: it keeps each body that it has inlined.

    Attributes:
        registry: The library and the definitions of all ops.

    """

    registry: OpRegistry
    _bodies: dict[_Key, Body] = field(default_factory=dict)
    _sizes: dict[int, BodySize] = field(default_factory=dict)

    def draw(self, body: Body, what: str, node: Node, prefix: str = "") -> None:
        """Draw for one more copy of a body.

        Args:
            body: As `body` gave it.
            what: What is expanded.
            node: Whose copy it is.
            prefix: That each name will get.

        Raises:
            FreezeError: MODEL_TOO_COMPLEX.

        """
        if id(body) not in self._sizes:
            self._sizes[id(body)] = size_of(body)
        size = self._sizes[id(body)]
        names = size.nodes + size.inputs
        waits = [i for i in node.inputs if i.startswith("^")]
        waits_bytes = sum(map(len, waits)) + 16 * len(waits)
        self.registry.budget.draw(
            what,
            _NODE_STEPS * size.nodes
            + _INPUT_STEPS * (size.inputs + len(node.inputs))
            + _RESULT_STEPS * size.results
            + size.nodes * len(waits),
            _NODE_BYTES * size.nodes
            + _INPUT_BYTES * size.inputs
            + _RESULT_BYTES * size.results
            + _ATTRS_BYTES * size.attrs_bytes
            + size.nodes * waits_bytes
            + 2 * (size.names_bytes + names * len(prefix)),
            subject=node.name,
        )

    def body(self, name: str, attrs: Mapping[str, AttrValue]) -> Body:
        """The body of a function in plain form, all calls in it inlined."""
        asked = self._instance(name, attrs)
        pending = [asked]
        on_the_way: dict[
            _Key, Body
        ] = {}  # Those whose own calls are not inlined yet, each called by the last.
        while pending:
            key, values = pending[-1]
            if key not in self._bodies and key not in on_the_way:
                if len(on_the_way) >= MAX_CALL_DEPTH:
                    raise _recursion(key, on_the_way)
                on_the_way[key] = to_body(self.registry.library[key[0]], values, self.registry)
                called = [c for c in self._calls(on_the_way[key]) if c[0] not in self._bodies]
                if any(k in on_the_way for k, _ in called):
                    raise _recursion(next(k for k, _ in called if k in on_the_way), on_the_way)
                pending += called
            else:
                pending.pop()
                if key not in self._bodies:
                    self._bodies[key] = self.flat_body(on_the_way.pop(key))
        return self._bodies[asked[0]]

    def calling_body(self, name: str, attrs: Mapping[str, AttrValue]) -> Body:
        """The body of a function in plain form, the calls in it left."""
        key, values = self._instance(name, attrs)
        return to_body(self.registry.library[key[0]], values, self.registry)

    def key(self, name: str, attrs: Mapping[str, AttrValue]) -> tuple[str, bytes]:
        """What tells a function with the values of its attributes from others."""
        return self._instance(name, attrs)[0]

    def _calls(self, body: Body) -> list[tuple[_Key, dict[str, AttrValue]]]:
        found = [called_function(node, self.registry.library) for node in body.nodes.values()]
        return [self._instance(*called) for called in found if called is not None]

    def _instance(self, name: str, attrs: Mapping[str, AttrValue]) -> tuple[_Key, dict[str, AttrValue]]:
        """A function with the values of its own attributes, and what tells it from others."""
        values = {
            a.name: attrs[a.name] for a in self.registry.library[name].signature.attr if a.name in attrs
        }
        key = b"".join([values[k].SerializeToString(deterministic=True) for k in sorted(values)])
        self.registry.budget.draw("the attributes of calls", len(key) >> 4, len(key), subject=name)
        return (name, key), values

    def flat_body(self, body: Body) -> Body:
        """The same body with the calls in it inlined."""
        kept = frozenset(node for _, node in body.control_results)
        nodes, aliases = inline_calls(body.nodes, self, kept, body.nodes)
        results = tuple([follow(aliases, tensor) for tensor in body.result_tensors])
        return Body(body.name, body.args, nodes, body.results, results, body.control_results, body.proto)


def _recursion(key: _Key, on_the_way: Iterable[_Key]) -> FreezeError:
    names = [name for name, _ in on_the_way]
    return FreezeError(
        Reason.UNSUPPORTED_OP,
        f"The function {key[0]!r} calls itself, directly or through others, or its calls are nested deeper than "
        f"{MAX_CALL_DEPTH}: {shown(names)}. A recursive function cannot be inlined.",
        subject=key[0],
    )


def inline_calls(
    nodes: Mapping[str, Node],
    inliner: Inliner,
    kept: frozenset[str],
    taken: Container[str] = (),
    callers: dict[str, str] | None = None,
) -> tuple[dict[str, Node], dict[str, str]]:
    """Inline every call among some nodes.

    Args:
        nodes: Of a graph or a body, by name.
        inliner: Where bodies come from.
        kept: Names that must stay the name of a node, though they be calls.
        taken: Names that no inlined node may get: of the whole graph, where `nodes` is a part of it, so
            that a call is inlined under the same names whatever part is looked at.
        callers: Where each inlined node is noted, with the call it comes from.

    Returns:
        The nodes, and for each output of a former call (`call`, `call:1`) the tensor it is now.

    """
    library = inliner.registry.library
    found = ((node, called_function(node, library)) for node in nodes.values())
    calls = {node.name: (node, called) for node, called in found if called is not None}
    if not calls:
        return dict(nodes), {}
    waited_for = {i[1:] for node in nodes.values() for i in node.inputs if i.startswith("^")} | kept
    framed = has_frames(nodes)
    flat: dict[str, Node] = {}
    aliases: dict[str, str] = {}
    for node in nodes.values():
        if node.name not in calls:
            _add(flat, node)
            continue
        body = inliner.body(*calls[node.name][1])
        inliner.draw(body, "the calls of functions", node, node.name)
        call = _Call(node, body, framed, _free_prefix(node.name, body, taken))
        for inlined in call.nodes(node.name in waited_for):
            _add(flat, inlined)
            if callers is not None and inlined.name != node.name:
                callers[inlined.name] = node.name
        aliases.update(call.results())
    aliases = _resolved(aliases)
    return {name: _read_through(node, aliases, flat) for name, node in flat.items()}, aliases


def has_frames(nodes: Mapping[str, Node]) -> bool:
    """Whether there are loops or branches of TensorFlow 1 among some nodes."""
    return not FRAME_OPS.isdisjoint(map(operator.attrgetter("op"), nodes.values()))


def follow(aliases: Mapping[str, str], tensor: str) -> str:
    """The tensor that an output of a former call is now; any other tensor is itself."""
    return aliases.get(tensor, tensor)


def _resolved(aliases: Mapping[str, str]) -> dict[str, str]:
    """The same, where each is what it is in the end: calls may hand on what other calls give."""
    done: dict[str, str] = {}
    for start in aliases:
        way: dict[str, None] = {}
        tensor = start
        while tensor in aliases and tensor not in done:
            if tensor in way:
                raise FreezeError(
                    Reason.MALFORMED_MODEL,
                    f"The calls around {tensor!r} feed each other in a circle.",
                    subject=tensor,
                )
            way[tensor] = None
            tensor = aliases[tensor]
        done.update(dict.fromkeys(way, done.get(tensor, tensor)))
    return done


@dataclass(frozen=True, slots=True)
class _Call:
    """One call and the body it is replaced by."""

    node: Node
    body: Body
    framed: bool
    prefix: str

    def nodes(self, waited_for: bool) -> Iterator[Node]:
        arguments = self._arguments()
        controls = tuple([i for i in self.node.inputs if i.startswith("^")])
        pivot = None if controls or not self.framed else self._pivot(arguments)
        anchors = (f"^{pivot.name}",) if pivot else controls
        used = False
        for inner in self.body.nodes.values():
            inlined = self._inlined(inner, arguments, controls, anchors)
            used = used or inlined.inputs == anchors
            yield inlined
        if waited_for:
            ends = [self._tensor("^" + n, arguments) for _, n in self.body.control_results]
            ends += ["^" + self._tensor(t, arguments) for t in self.body.result_tensors]
            yield new_node(self.node.name, "NoOp", tuple(dict.fromkeys([*ends, *anchors])), {})
            used = True
        if pivot and used:
            yield pivot

    def _pivot(self, arguments: Mapping[str, str]) -> Node | None:
        """What a node without inputs waits for, to run in the frame and branch of the call."""
        if not arguments:
            return None
        name = "input"
        while name in self.body.nodes:
            name += "_"
        first = self.body.args[0]
        attrs = {"T": type_attr(base(first.dtype))}
        return new_node(f"{self.prefix}/{name}", "Identity", (arguments[first.name],), attrs)

    def results(self) -> Iterator[tuple[str, str]]:
        arguments = self._arguments()
        for k, tensor in enumerate(self.body.result_tensors):
            yield join_tensor(self.node.name, k), self._tensor(tensor, arguments)

    def _arguments(self) -> dict[str, str]:
        given = [i for i in self.node.inputs if not i.startswith("^")]
        if len(given) != len(self.body.args):
            raise FreezeError(
                Reason.MALFORMED_MODEL,
                f"The node {self.node.name!r} gives {len(given)} inputs to the function {self.body.name!r}, "
                f"which takes {len(self.body.args)}.",
                subject=self.node.name,
            )
        return {arg.name: tensor for arg, tensor in zip(self.body.args, given, strict=True)}

    def _inlined(
        self, inner: Node, arguments: Mapping[str, str], controls: tuple[str, ...], anchors: tuple[str, ...]
    ) -> Node:
        inputs = tuple([self._tensor(i, arguments) for i in inner.inputs])
        if not inner.inputs:
            inputs = anchors if self.framed or inner.op not in TIMELESS_OPS else ()
        elif controls and all(self._is_there(node_of(i), arguments) for i in inner.inputs):
            inputs += controls
        return Node(f"{self.prefix}/{inner.name}", inner.op, inputs, self._proto(inner.proto), inner.value)

    def _is_there(self, name: str, arguments: Mapping[str, str]) -> bool:
        """Whether a node of the body waits for nothing that the call waits for."""
        if name in arguments:
            return True
        node = self.body.nodes.get(name)
        return node is not None and node.op in TIMELESS_OPS and not node.inputs and not self.framed

    def _tensor(self, tensor: str, arguments: Mapping[str, str]) -> str:
        """A tensor of the body seen from outside; to wait for an argument is to wait for its tensor (`^a:1`)."""
        if tensor.startswith("^"):
            return "^" + self._tensor(tensor[1:], arguments)
        name = node_of(tensor)
        return arguments.get(name, f"{self.prefix}/{tensor}")

    def _proto(self, proto: NodeDef) -> NodeDef:
        """The inner node's attributes, its colocation and device seen from outside."""
        device = proto.device or self.node.proto.device
        if device == proto.device and "_class" not in proto.attr:
            return proto
        changed = NodeDef()
        changed.CopyFrom(proto)
        changed.device = device
        if "_class" in proto.attr:
            classes = changed.attr["_class"].list
            inner = [b"loc:@" + self.prefix.encode() + b"/" + s[5:] for s in classes.s if s[:5] == b"loc:@"]
            del classes.s[:]
            classes.s.extend(inner)
        return changed


def _free_prefix(call: str, body: Body, taken: Container[str]) -> str:
    """The call's name, or, where the graph has nodes of the names that would make, that name made longer."""
    prefix = call
    while any(f"{prefix}/{name}" in taken for name in body.nodes):
        prefix += "_"
    return prefix


def _add(flat: dict[str, Node], node: Node) -> None:
    if node.name in flat:
        raise FreezeError(
            Reason.MALFORMED_MODEL,
            f"Inlining a call would make a second node {node.name!r}. Rename that node in the model.",
            subject=node.name,
        )
    flat[node.name] = node


def _read_through(node: Node, aliases: Mapping[str, str], flat: Mapping[str, Node]) -> Node:
    """The node with outputs of former calls read where they come from now."""
    if not any(i in aliases or (i.startswith("^") and i[1:] not in flat) for i in node.inputs):
        return node
    return node._replace(inputs=tuple([_now(i, aliases, flat) for i in node.inputs]))


def _now(tensor: str, aliases: Mapping[str, str], flat: Mapping[str, Node]) -> str:
    """An input as it is now; to wait for a tensor (`^a:1`) is to wait for the node that gives it."""
    if not tensor.startswith("^"):
        return follow(aliases, tensor)
    return tensor if tensor[1:] in flat else "^" + node_of(follow(aliases, tensor[1:]))


def _flag(attrs: Mapping[str, AttrValue], name: str) -> bool:
    value = attrs.get(name)
    return value is not None and value.b
