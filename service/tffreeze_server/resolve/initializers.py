"""What a loader sets after the restore: its init ops, read as data.

Theory of operation. The init ops and all they run are collected into a flat graph, and each assignment in it to
a variable that is asked for is evaluated (`evaluate.py`). An assignment in a branch that is not taken does
not count. A variable read on the way has its assigned value where the assignment comes first, else the
restored one. What the loader sets wins over what the saver restored: it runs later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from tffreeze_server.budget import Budget
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.inline import Inliner, nodes_run_by
from tffreeze_server.graph.library import functions_of, holding
from tffreeze_server.graph.model import Model
from tffreeze_server.graph.node import Node, Nodes, TensorValue, join_tensor, new_node, node_of, split_tensor
from tffreeze_server.graph.ops import ASSIGN_OPS, CALLS, CONDITIONAL_OPS, is_random, is_write
from tffreeze_server.graph.order import reachable
from tffreeze_server.graph.saver_nodes import readers_of
from tffreeze_server.resolve.evaluate import Evaluator
from tffreeze_server.resolve.trace import VariableKey, Variables, data_inputs

_MAX_NESTED_CONDITIONALS = 20
# What a node that is looked at costs, in steps and bytes of a budget.
_REACHED_STEPS, _REACHED_BYTES = 3, 80

RestoredValue = Callable[[VariableKey], TensorValue | None]
"""The value that the restore gives a variable; None where it gives none."""


@dataclass(eq=False)
class Initializers:
    """The init ops of a model as a flat graph. Grows: it keeps what it has evaluated.

    Attributes:
        flat: All that the init ops run.
        assignments: What sets a variable in it, by variable.
        restored: What the restore gives.
        assets: File name below `assets/` by tensor name.
        budget: What is looked at is drawn from it.

    """

    flat: Nodes
    assignments: Mapping[VariableKey, tuple[Node, ...]]
    restored: RestoredValue
    assets: Mapping[str, str]
    budget: Budget
    _ancestors: dict[str, frozenset[str]] = field(default_factory=dict)

    def value(self, key: VariableKey) -> TensorValue | None:
        """The value that a variable is set to; None where it is not set.

        Raises:
            FreezeError: UNSUPPORTED_INITIALIZER; VALUES_DISAGREE where it is set twice, in no order.

        """
        taken = [node for node in self.assignments.get(key, ()) if not self.evaluator.is_dead(node.name)]
        return self._last(key, taken) if taken else None

    def random_assignment(self, key: VariableKey) -> str:
        """The node that sets a variable to random numbers; empty where none does."""
        for node in self.assignments.get(key, ()):
            if node.op not in ASSIGN_OPS or node_of(data_inputs(node)[1]) not in self._random:
                continue
            if not self.evaluator.is_dead(node.name):
                return node.name
        return ""

    @cached_property
    def _random(self) -> set[str]:
        """The nodes that give random numbers, and what is made of these or waits for them."""
        return readers_of(self.flat, {name for name, node in self.flat.items() if is_random(node.op)})

    @cached_property
    def evaluator(self) -> Evaluator:
        """For the tensors of the graph."""
        return Evaluator(
            self.flat, self.assets, self._read, lambda key: self.restored(key) is not None, self.budget
        )

    def _last(self, key: VariableKey, assignments: list[Node]) -> TensorValue:
        for node in assignments:
            if node.op not in ASSIGN_OPS:
                raise _not_assigned(key, node)
        values = [self.evaluator.value(data_inputs(node)[1], (node.name,)) for node in assignments]
        names = {node.name for node in assignments}
        for node, value in zip(assignments, values, strict=True):
            if all(value == other for other in values) or names <= self._before(node.name) | {node.name}:
                return value
        raise FreezeError(
            Reason.VALUES_DISAGREE,
            f"The variable {key[1]!r} is set by {assignments[0].name!r} and by {assignments[1].name!r} after the "
            "restore, in no order, to different values.",
            subject=key[1],
        )

    def _read(self, key: VariableKey, reader: str) -> TensorValue:
        """The value of a variable where a node reads it."""
        before = self._before(reader)
        assignments = self.assignments.get(key, ())
        earlier = [node for node in assignments if node.name in before]
        if earlier:
            return self._last(key, earlier)
        later = all(reader in self._before(node.name) for node in assignments)
        value = self.restored(key) if later else None
        if value is None:
            why = "has no value" if later else "is set at the same time"
            raise FreezeError(
                Reason.UNSUPPORTED_INITIALIZER,
                f"After the restore the node {reader!r} reads the variable {key[1]!r}, which {why}.",
                subject=key[1],
            )
        return value

    def _before(self, name: str) -> frozenset[str]:
        """What has run when a node runs."""
        if name not in self._ancestors:
            self._ancestors[name] = frozenset(self._reached(name)) - {name}
        return self._ancestors[name]

    def _reached(self, name: str) -> dict[str, Node]:
        """What runs for a node, which may be much for each of many nodes."""
        found = reachable(self.flat, [name])
        count = len(found)
        self.budget.draw(
            "what initializers run", _REACHED_STEPS * count, _REACHED_BYTES * count, subject=name
        )
        return found


def read_initializers(
    model: Model,
    nodes: Mapping[str, Node],
    init_ops: tuple[str, ...],
    restored: RestoredValue,
    inliner: Inliner,
) -> Initializers:
    """Read the init ops of a model.

    Args:
        model: Whose library and assets count.
        nodes: The model's nodes by name.
        init_ops: Nodes to run after the restore.
        restored: What the restore gives.
        inliner: Of the model's functions.

    Raises:
        FreezeError: What `nodes_run_by` raises.

    """
    flat: Mapping[str, Node] = nodes_run_by(nodes, init_ops, inliner)
    for _ in range(_MAX_NESTED_CONDITIONALS):
        found = Initializers(flat, _assignments(model, flat), restored, model.assets, model.budget)
        chosen = {node.name: _branch(found, node) for node in flat.values() if node.op in CONDITIONAL_OPS}
        calls = {name: call for name, call in chosen.items() if call is not None}
        if not calls:
            break
        init_ops = tuple([node_of(_renamed(name, calls)) for name in init_ops])
        flat = nodes_run_by(_with_calls(flat, calls), init_ops, inliner)
    return found


def _with_calls(flat: Nodes, calls: Mapping[str, Node]) -> dict[str, Node]:
    """The graph with conditionals replaced by calls; the calls' names make room for the bodies' names."""
    kept = [node for node in flat.values() if node.name not in calls]
    return {node.name: _reading(node, calls) for node in [*kept, *calls.values()]}


def _reading(node: Node, calls: Mapping[str, Node]) -> Node:
    if not any(node_of(tensor) in calls for tensor in node.inputs):
        return node
    return node._replace(inputs=tuple([_renamed(tensor, calls) for tensor in node.inputs]))


def _renamed(tensor: str, calls: Mapping[str, Node]) -> str:
    name = node_of(tensor)
    if name not in calls:
        return tensor
    if tensor.startswith("^"):
        return f"^{calls[name].name}"
    return join_tensor(calls[name].name, split_tensor(tensor)[1])


def _assignments(model: Model, flat: Nodes) -> dict[VariableKey, tuple[Node, ...]]:
    """What sets a variable, by variable: assignments, other writes, calls of functions that write."""
    found: dict[VariableKey, list[Node]] = {}
    variables = Variables(flat)
    bodies = model.library.values()
    writing = frozenset(node.op for function in bodies for node in function.node_def if is_write(node.op))
    known: dict[str, bool] = {}
    for node in flat.values():
        if node.op in ASSIGN_OPS and len(data_inputs(node)) < 2:
            raise FreezeError(
                Reason.MALFORMED_MODEL,
                f"The node {node.name!r} (op {node.op!r}), which a loader runs after the restore, is given no value.",
                subject=node.name,
            )
        if is_write(node.op) or (node.op in CALLS and _writes(model, node, writing, known)):
            for tensor in data_inputs(node)[: 1 if is_write(node.op) else None]:
                key = variables.of(tensor)
                if key is not None:
                    found.setdefault(key, []).append(node)
    return {key: tuple(nodes) for key, nodes in found.items()}


def _writes(model: Model, call: Node, writing: frozenset[str], known: dict[str, bool]) -> bool:
    """Whether a function that a node calls, directly or through others, holds an op that writes.

    Args:
        model: Whose library counts.
        call: The node.
        writing: The ops in the library that write.
        known: The answers so far, by function: each is looked at once, however many nodes call it.

    """
    called = [name for name in functions_of(call.proto) if name in model.library]
    for name in called:
        if name not in known:
            known.update(holding(name, model.library, known, writing))
    return any(known[name] for name in called)


def _branch(initializers: Initializers, node: Node) -> Node | None:
    """A conditional as a call of the branch that is taken; None where that cannot be told."""
    if not data_inputs(node):
        return None
    try:
        taken = initializers.evaluator.condition(node, 0)
    except FreezeError as error:
        if error.reason is Reason.MODEL_TOO_COMPLEX:
            raise
        return None
    function = node.proto.attr.get("then_branch" if taken else "else_branch")
    if function is None:
        return None
    attrs = {name: node.proto.attr[name] for name in ("Tin", "Tout") if name in node.proto.attr}
    return new_node(
        f"{node.name}/_taken", "StatefulPartitionedCall", node.inputs[1:], {"f": function, **attrs}
    )


def _not_assigned(key: VariableKey, node: Node) -> FreezeError:
    return FreezeError(
        Reason.UNSUPPORTED_INITIALIZER,
        f"The variable {key[1]!r} is changed after the restore by the node {node.name!r} (op {node.op!r}), whose "
        "result cannot be read as data. Leave the variable as it is with --deny, or choose other outputs.",
        subject=key[1],
    )
