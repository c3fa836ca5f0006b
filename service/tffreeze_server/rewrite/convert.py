"""Variables become constants, and what reads them plain ops: one pass over a graph or function body.

Theory of operation. Nodes come after their inputs (back edges of loops aside), so one pass is enough. The pass keeps
`handles`: every tensor that was the handle or ref of a frozen variable, and is its value now. For each node:
- A variable that is frozen becomes a Const; a second node of the same variable, an Identity of the first.
- A node that takes no handle stays as it is.
- An op that runs functions gets bodies made for just the handles it is given (`specialise.py`).
- Any other node is rewritten by its role (`graph/ops.py`, `rewrite_ops.py`). A role that forwards makes handles of
  the node's outputs.
- A node that takes a handle and has no role writes to the variable, or needs the variable itself: an error, with the
  path from an output to it.

The Merge of a loop is visited before what its back edge reads. So it is taken to be the variable that enters the loop,
and `check_merges` verifies that when the pass is done.

Invariants:
- A tensor in `handles` has the dtype that `handles` says in the converted graph.
- Merge never mixes a frozen variable with anything else, back edges included.
- A ref variable read by an op that does not ask for the ref is read for its value, as any tensor is.
- New nodes get names that no node here has. In a graph with TensorFlow 1 control flow, a new node without inputs
  depends on the value it stands for, so that it runs in the same frame and branch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.attrs import type_attr
from tffreeze_server.graph.node import Node, join_tensor, new_node
from tffreeze_server.graph.op_registry import OpRegistry
from tffreeze_server.graph.ops import (
    CALLS,
    FORWARDING_OPS,
    HANDLE_INPUTS,
    MERGE_OPS,
    ROLES,
    VARIABLE_OPS,
    Role,
    is_write,
)
from tffreeze_server.graph.paths import path_to, shown
from tffreeze_server.graph.variables import Binding, variable_key
from tffreeze_server.rewrite import rewrite_ops
from tffreeze_server.rewrite.rewrite_ops import Handle

Bindings = Mapping[tuple[str, str], Binding]
"""The value of each variable to freeze, by container and name (`variable_key`)."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """A graph or body after the pass.

    Attributes:
        nodes: By name, in order.
        handles: What became of each tensor that was a handle or buffer.

    """

    nodes: dict[str, Node]
    handles: dict[str, Handle]


@dataclass(frozen=True, slots=True)
class Location:
    """Where a pass is, for messages: the graph, or a body and how it is reached.

    Attributes:
        nodes: All nodes here.
        roots: What the outputs or results read.
        within: Where the body is called; None for the graph itself.
        caller: The node that calls it.
        has_frames: Whether there are loops or branches of TensorFlow 1 here.

    """

    nodes: Mapping[str, Node]
    roots: tuple[str, ...]
    within: Location | None = None
    caller: str = ""
    has_frames: bool = False

    def path(self, node: str) -> tuple[str, ...]:
        """The way from an output of the graph to a node here."""
        outer = self.within.path(self.caller) if self.within else ()
        # A write runs with its body, whatever reads it.
        return (*outer, *(path_to(self.nodes, self.roots, node) or (node,)))


class BodyMaker(Protocol):
    """Makes function bodies for the handles they are given (`specialise.py`)."""

    def called(
        self, node: Node, given: Mapping[int, Handle], location: Location
    ) -> tuple[Node, Mapping[str, Handle]]:
        """A node of `CALLS`, or a call by name, on bodies made for what it is given; its results that are handles."""

    def named(self, node: Node, location: Location) -> Node:
        """Any other node, the functions it names made free of variables and kept."""


@dataclass(frozen=True, slots=True)
class Converter:
    """Converts one graph and the functions it runs.

    Attributes:
        bindings: The variables to freeze; every other one is left as it is.
        registry: The model's functions and op definitions.
        bodies: Makes the function bodies.

    """

    bindings: Bindings
    registry: OpRegistry
    bodies: BodyMaker

    def convert(
        self, nodes: Iterable[Node], location: Location, arguments: Mapping[str, Handle]
    ) -> Conversion:
        """Convert nodes that are in order.

        Args:
            nodes: Each after its inputs.
            location: Where they are.
            arguments: Of a function body: those arguments that are variables.

        Raises:
            FreezeError: REACHABLE_WRITE, UNSUPPORTED_OP, MALFORMED_MODEL.

        """
        work = _Pass(self, location, Conversion({}, dict(arguments)))
        for node in nodes:
            work.node(node)
        work.check_merges()
        return work.done


@dataclass(eq=False, slots=True)
class _Pass:
    """One pass: the converter, the location and what is done so far."""

    converter: Converter
    location: Location
    done: Conversion
    constants: dict[tuple[str, str], str] = field(default_factory=dict)
    merges: list[Node] = field(default_factory=list)

    def node(self, node: Node) -> None:
        handles = self.done.handles
        given = {k: handles[i] for k, i in enumerate(node.inputs) if i in handles}
        if node.op in VARIABLE_OPS:
            self._variable(node)
        elif node.op in CALLS or node.op in self.converter.registry.library:
            # A function is given the value of a buffer, as any op is that does not ask for the buffer.
            given = {k: handle for k, handle in given.items() if not handle.is_ref}
            call, results = self.converter.bodies.called(node, given, self.location)
            self._put(call)
            self.done.handles.update(results)
        elif given:
            self._user(node, given)
        else:
            self._put(self.converter.bodies.named(node, self.location))

    def _put(self, *nodes: Node) -> None:
        for node in nodes:
            self.done.nodes[node.name] = node

    def _free(self, name: str) -> str:
        """A name that no node here has."""
        while name in self.done.nodes or name in self.location.nodes:
            name += "_"
        return name

    def _variable(self, node: Node) -> None:
        key = variable_key(node)
        binding = self.converter.bindings.get(key)
        if binding is None:
            self._put(node)
            return
        value = binding.value
        self.done.handles[node.name] = Handle(
            value.dtype, value.shape, ROLES[node.op] is Role.REF, (binding.variable.name,)
        )
        # In a loop or branch, what it waits for says where it runs; such a node cannot share the constant.
        waits = tuple([i for i in node.inputs if i.startswith("^")]) if self.location.has_frames else ()
        first = node.name if waits else self.constants.setdefault(key, node.name)
        if first == node.name:
            self._put(rewrite_ops.constant(node, binding)._replace(inputs=waits))
        else:
            self._put(rewrite_ops.same_as(node, first, value.dtype))

    def _user(self, node: Node, given: Mapping[int, Handle]) -> None:
        """A node that takes frozen variables and runs no function."""
        role = ROLES.get(node.op)
        taken = {k: h for k, h in given.items() if not h.is_ref or self.converter.registry.takes_ref(node, k)}
        if not taken:
            # It reads the values of buffers, as it reads those of constants.
            self._put(node)
            return
        if role is None or role in (Role.RESOURCE, Role.REF):
            raise self._cannot(node, next(iter(taken.values())))
        if 0 not in taken and node.op not in HANDLE_INPUTS:
            raise self._cannot(node, next(iter(taken.values())))
        if node.op in FORWARDING_OPS:
            self._pass(node, role, taken)
            return
        made = rewrite_ops.rewrite(role, node, taken[0], self._free)
        self._put(*(m for each in made for m in self._in_frame(each, node, taken[0])))

    def _in_frame(self, made: Node, node: Node, handle: Handle) -> tuple[Node, ...]:
        """Where there are loops or branches, a node made without inputs waits for the value: it runs where that is."""
        if made.inputs or not self.location.has_frames or node.inputs[0].startswith("^"):
            return (made,)
        pivot = new_node(
            self._free(f"{made.name}/input"), "Identity", (node.inputs[0],), {"T": type_attr(handle.dtype)}
        )
        return pivot, made._replace(inputs=(f"^{pivot.name}",))

    def _pass(self, node: Node, role: Role, given: Mapping[int, Handle]) -> None:
        if node.op == "IdentityN":
            self._put(rewrite_ops.identity_n(node, given))
            for k, handle in given.items():
                self.done.handles[join_tensor(node.name, k)] = handle
            return
        handle = rewrite_ops.merged(node, list(given.values()))
        if node.op in MERGE_OPS:
            self.merges.append(node)
        self._put(*rewrite_ops.rewrite(role, node, handle, self._free))
        self.done.handles.update(rewrite_ops.passed_on(node, handle))

    def check_merges(self) -> None:
        """A Merge must not mix a frozen variable with anything else, back edges included."""
        handles = self.done.handles
        for node in self.merges:
            others = [handles.get(i) for i in node.inputs if not i.startswith("^")]
            here = handles[node.name]
            if any(other is None or other.dtype != here.dtype for other in others):
                raise FreezeError(
                    Reason.UNSUPPORTED_OP,
                    f"At the node {node.name!r} (op {node.op!r}) the frozen variable {here.variables[0]!r} and "
                    "something that stays a variable, or is one of another type, meet. Freeze both or keep both "
                    "(--allow, --deny).",
                    subject=node.name,
                )

    def _cannot(self, node: Node, handle: Handle) -> FreezeError:
        variable = handle.variables[0]
        way = shown(self.location.path(node.name))
        if is_write(node.op):
            return FreezeError(
                Reason.REACHABLE_WRITE,
                f"The node {node.name!r} (op {node.op!r}) writes to the variable {variable!r}, and an output needs "
                f"it: {way}. A constant cannot be written to. Choose another output (--output-nodes), keep the "
                f"variable (--deny {variable}), or cut the graph at a tensor between them (--input-nodes).",
                subject=variable,
            )
        return FreezeError(
            Reason.UNSUPPORTED_OP,
            f"The node {node.name!r} (op {node.op!r}) takes the variable {variable!r} itself, not its value, and "
            f"an output needs it: {way}. Nothing is known that would do the same with a constant. Keep the "
            f"variable (--deny {variable}) or choose another output (--output-nodes).",
            subject=node.name,
        )
