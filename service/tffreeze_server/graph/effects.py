"""What nodes change: variables and other state, directly or in the functions they run.

Theory of operation. A handle is followed backwards from the op that changes what it stands for, through all that
hands handles on, to the node that makes it, or to an argument of the function. For a call, the arguments
that its function changes are found in the same way and kept, so every body is looked at once.

An op changes the variable it is given the handle (or buffer) of, unless the table of roles says that it only
reads. It changes other state (tables, queues) where it has no outputs.
Where a handle comes out of a call or a branch, it may be any of those that went in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tffreeze_server.graph.body import Body
from tffreeze_server.graph.inline import Inliner
from tffreeze_server.graph.library import functions_named
from tffreeze_server.graph.node import Node, join_tensor, node_of, split_tensor
from tffreeze_server.graph.op_args import input_types
from tffreeze_server.graph.ops import (
    CALLS,
    FIRST,
    FORWARDING_OPS,
    HANDLE_INPUTS,
    HANDLE_OUTPUTS,
    ROLES,
    TABLE_OPS,
    VARIABLE_OPS,
    Call,
    Role,
    is_write,
    makes_state_of_one_run,
    only_reads_state,
)
from tffreeze_server.graph.variables import variable_key
from tffreeze_server.tensors.dtypes import RESOURCE, STRING, is_ref
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue

_MAX_DEPTH = 100
"""How deep functions may stand in each other; deeper, a function is taken to change all it is given."""
State = tuple[bool, str, str]
"""Whether it is a variable, its container, its name."""


class Change(NamedTuple):
    """Some state and what changes it.

    Attributes:
        maker: The node that makes its handle or buffer, here or in a function.
        writer: The node here that changes it, or runs a function that does.

    """

    maker: Node
    writer: Node


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What some nodes change.

    Attributes:
        args: Names of arguments.
        states: Everything else.

    """

    args: frozenset[str]
    states: Mapping[State, Change]


@dataclass(frozen=True, slots=True)
class _Summary:
    """What a function changes: some of its arguments, and state whose makers stand in it or in what it runs."""

    args: frozenset[int]
    makers: tuple[Node, ...]


_NOTHING = _Summary(frozenset(), ())


@dataclass(eq=False, slots=True)
class Effects:
    """Knows what nodes change. Grows: it keeps what it has found of each function.

    Attributes:
        inliner: Knows the model's functions and the definitions of ops.

    """

    inliner: Inliner
    _summaries: dict[tuple[str, bytes], _Summary] = field(default_factory=dict)
    _makes_state: dict[str, bool] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)

    def is_state(self, node: Node) -> bool:
        """Whether a node makes the handle or buffer of something that is kept between runs."""
        if node.op not in self._makes_state:
            self._makes_state[node.op] = self._op_makes_state(node.op)
        return self._makes_state[node.op] and (self._is_known(node.op) or not node.inputs)

    def _is_known(self, op: str) -> bool:
        return self.inliner.registry.definition(op) is not None

    def _op_makes_state(self, op: str) -> bool:
        if op in VARIABLE_OPS or op in TABLE_OPS:
            return True
        if op in ROLES or op in CALLS or op in self.inliner.registry.library or makes_state_of_one_run(op):
            return False
        definition = self.inliner.registry.definition(op)
        if definition is None:
            return True  # It may, where it has no inputs.
        return definition.is_stateful and any(
            # Of the queues and readers of TensorFlow 1 the handle is a ref string.
            arg.type == RESOURCE or (arg.type == STRING and arg.is_ref)
            for arg in definition.output_arg
        )

    def is_resource(self, node: Node) -> bool:
        """Whether a node makes the handle of state that is no variable: a table, a decision forest, an iterator."""
        return node.op not in VARIABLE_OPS and self.is_state(node)

    def fills(self, node: Node) -> list[str]:
        """The handles among a node's inputs of state, no variable, that it changes."""
        if self._is_call(node):
            return self._changed_by_call(node)[0]
        return [] if not self.may_change(node) or self._gives_values(node) else self.handles(node)

    def forwarded(self, node: Node) -> list[tuple[str, str]]:
        """The outputs of a node that are handles it was given, each with that input; none for a call."""
        if not self.forwards(node) or self._is_call(node):
            return []
        data = [i for i in node.inputs if not i.startswith("^")]
        if node.op == "IdentityN":
            return [(join_tensor(node.name, k), tensor) for k, tensor in enumerate(data)]
        before = data[HANDLE_INPUTS.get(node.op, FIRST)]
        return [
            (join_tensor(node.name, k), tensor)
            for k in range(HANDLE_OUTPUTS.get(node.op, 1))
            for tensor in before
        ]

    def may_change(self, node: Node) -> bool:
        """Whether a node may change any state at all: a first look."""
        if self._is_call(node):
            return True
        if is_write(node.op):
            return True
        if node.op in ROLES or only_reads_state(node.op):
            return False
        definition = self.inliner.registry.definition(node.op)
        return definition is None or definition.is_stateful

    def changes(self, node: Node) -> bool:
        """Whether a node changes what it has a handle or buffer of, or runs a function that changes anything."""
        return any(self._changes(node))

    def changed(self, nodes: Mapping[str, Node], writers: Iterable[Node]) -> ChangeSet:
        """What some nodes change.

        Args:
            nodes: All nodes of the graph or body; a name that is none of them is an argument.
            writers: Those among them that are looked at.

        Raises:
            FreezeError: As `Inliner.body`; MALFORMED_MODEL.

        """
        args: set[str] = set()
        states: dict[State, Change] = {}
        pending: list[tuple[str, Node]] = []
        for node in writers:
            given, makers = self._changes(node)
            pending += [(tensor, node) for tensor in given]
            states |= {state_of(maker): Change(maker, node) for maker in makers}
        seen: set[str] = set()
        while pending:
            tensor, writer = pending.pop()
            if tensor in seen:
                continue
            seen.add(tensor)
            maker = nodes.get(node_of(tensor))
            if maker is None:
                args.add(node_of(tensor))
            elif not self.is_state(maker):
                pending += [(before, writer) for before in self._before(maker, tensor)]
            elif maker.op in VARIABLE_OPS or not self._gives_values(writer):
                states[state_of(maker)] = Change(maker, writer)
        return ChangeSet(frozenset(args), states)

    def handles(self, node: Node) -> list[str]:
        """The data inputs of a node that are handles, or buffers that it asks for itself."""
        data = [i for i in node.inputs if not i.startswith("^")]
        definition = self.inliner.registry.definition(node.op)
        if definition is None:
            return data
        types = input_types(definition, node.proto.attr, node=node.name)
        return [t for t, dtype in zip(data, types, strict=False) if dtype == RESOURCE or is_ref(dtype)]

    def forwards(self, node: Node) -> bool:
        """Whether what a node gives may be a handle or buffer that it was given."""
        if self._is_call(node):
            return True
        return node.op in FORWARDING_OPS and _forwards_handles(node)

    def _gives_values(self, node: Node) -> bool:
        """Whether an op, no call, has outputs: what fills a table or a queue has none."""
        definition = None if self._is_call(node) else self.inliner.registry.definition(node.op)
        return definition is not None and bool(definition.output_arg)

    def _is_call(self, node: Node) -> bool:
        return node.op in CALLS or node.op in self.inliner.registry.library

    def _changes(self, node: Node) -> tuple[list[str], tuple[Node, ...]]:
        """The handles among a node's inputs of what it changes, and the makers of what else it changes."""
        if self._is_call(node):
            return self._changed_by_call(node)
        return (self.handles(node) if self.may_change(node) else []), ()

    def _changed_by_call(self, node: Node) -> tuple[list[str], tuple[Node, ...]]:
        data = [i for i in node.inputs if not i.startswith("^")]
        call = None if node.op in self.inliner.registry.library else CALLS[node.op]
        args: set[int] = set()
        makers: dict[State, Node] = {}
        for name, attrs in self._functions(node, call):
            summary = self._summary(name, attrs)
            args |= summary.args
            makers |= {state_of(maker): maker for maker in summary.makers}
        if args and call is not None and call.is_loop:
            return self.handles(node), tuple(makers.values())  # What a loop hands round may be any of them.
        skip = call.skip if call else 0
        return [data[skip + k] for k in sorted(args) if skip + k < len(data)], tuple(makers.values())

    def _functions(self, node: Node, call: Call | None) -> list[tuple[str, Mapping[str, AttrValue]]]:
        if call is None:
            return [(node.op, node.proto.attr)]
        named = [(f.name, f.attr) for key in call.functions for f in functions_named(node.proto.attr, key)]
        return [(name, attrs) for name, attrs in named if name in self.inliner.registry.library]

    def _summary(self, name: str, attrs: Mapping[str, AttrValue]) -> _Summary:
        key = self.inliner.key(name, attrs)
        if key not in self._summaries:
            body = self.inliner.body(name, attrs)
            if len(self._open) >= _MAX_DEPTH:
                return _Summary(frozenset(range(len(body.args))), ())
            self._summaries[key] = _NOTHING  # For a function that runs itself.
            self._open.append(name)
            self._summaries[key] = self._summary_of(body)
            self._open.pop()
        return self._summaries[key]

    def _summary_of(self, body: Body) -> _Summary:
        found = self.changed(body.nodes, body.nodes.values())
        args = frozenset(k for k, arg in enumerate(body.args) if arg.name in found.args)
        return _Summary(args, tuple(change.maker for change in found.states.values()))

    def _before(self, node: Node, tensor: str) -> list[str]:
        """The inputs of a node that an output of it, a handle, may be."""
        if not self.forwards(node):
            return []
        if self._is_call(node):
            return self.handles(node)
        data = [i for i in node.inputs if not i.startswith("^")]
        if node.op == "IdentityN":
            index = split_tensor(tensor)[1]
            return data[index : index + 1]
        return data[HANDLE_INPUTS.get(node.op, FIRST)]


def state_of(node: Node) -> State:
    """The state that a node makes a handle or buffer of; nodes with the same are one."""
    return (node.op in VARIABLE_OPS, *variable_key(node))


def _forwards_handles(node: Node) -> bool:
    """Whether an op hands on a handle or buffer, not a value."""
    if ROLES[node.op] is Role.REF_FORWARD or node.op == "IdentityN":
        return True
    return "T" not in node.proto.attr or node.proto.attr["T"].type == RESOURCE
