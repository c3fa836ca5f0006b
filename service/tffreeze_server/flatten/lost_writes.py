"""Writes inside of calls that pruning has lost, and whether what is left could see them.

Theory of operation. A call runs whole: its results exist after all of its body has run, and no op with an effect
in a body is ever pruned (`PruneFunctionBody` in TensorFlow's `core/common_runtime/function_utils.cc`). Inlined, a
body is pruned to what the outputs reach. So after the pruning every write of a call that runs is either
kept, or lost; and a lost write is one of three:

- to state that nothing kept uses: it is dropped, and the report says so;
- to a variable that is frozen and read by what is kept: an error, as for any write that outputs wait for;
- to what stays (a variable on the deny-list, a table) and is used by what is kept: the calls that use it stay
  calls, whose order TensorFlow keeps. So do calls that use a variable that stays and is written anywhere:
  inlined, a read waits only for what it reads, not for all that its call was given.

A call is looked into, not run, where a tensor inside of it is asked for by name or cut at: what of it is not
needed for that is not run. Everything here is linear in the graph, and without calls nothing is done.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import chain

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.effects import Change, Effects, State, state_of
from tffreeze_server.graph.inline import called_function
from tffreeze_server.graph.library import variables_in_functions
from tffreeze_server.graph.node import Node, node_of, with_attrs
from tffreeze_server.graph.order import pruned
from tffreeze_server.graph.paths import path_to, shown
from tffreeze_server.graph.variables import variable_key
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue

Keeps = Callable[[Node], bool]
"""Whether the variable that a node is stays a variable."""


@dataclass(frozen=True, slots=True)
class Pruning:
    """A graph before and after inlining and pruning.

    Attributes:
        calling: The model's own graph as far as it is reached, calls in it.
        flat: The same with calls inlined.
        kept: What of that the outputs reach.
        callers: For each node of `flat` that was inlined, the call it comes from.
        asked: The tensors that are asked for, as the model names them.
        cuts: The tensors that it was cut at.

    """

    calling: Mapping[str, Node]
    flat: Mapping[str, Node]
    kept: Mapping[str, Node]
    callers: Mapping[str, str]
    asked: tuple[str, ...]
    cuts: tuple[str, ...]

    def caller(self, name: str) -> str:
        """The call that a node was inlined from; a node of the model's own graph itself."""
        return self.callers.get(name, name)


def calls_to_leave(graph: Pruning, effects: Effects, keeps: Keeps | None) -> dict[str, Node]:
    """The calls that must stay calls, marked so, lest a write be lost; mostly none.

    Args:
        graph: What became of the model's graph.
        effects: Knows what nodes change.
        keeps: Which variables stay variables; None where none does.

    Raises:
        FreezeError: REACHABLE_WRITE for a lost write to a frozen variable that what is kept reads.

    """
    if not graph.callers:
        return {}
    runs = _running(graph)
    writers = [n for n in graph.flat.values() if effects.may_change(n) and graph.caller(n.name) in runs]
    lost = [n for n in writers if n.name not in graph.kept]
    left: set[State] = set()
    if lost:
        left = _seen_and_staying(graph, effects.changed(graph.flat, lost).states, effects, keeps)
    if keeps is not None:
        changed = effects.changed(graph.flat, writers).states
        left |= {s for s, change in changed.items() if s[0] and keeps(change.maker)}
    users = {graph.caller(name) for name in _users(graph.flat, left, effects)} if left else set()
    calls = [
        n for n in graph.calling.values() if called_function(n, effects.inliner.registry.library) is not None
    ]
    return {n.name: _left(n) for n in calls if n.name in users and n.name in runs} if left else {}


def _seen_and_staying(
    graph: Pruning, lost: Mapping[State, Change], effects: Effects, keeps: Keeps | None
) -> set[State]:
    """The state that a lost write changes, that what is kept uses, and that is no constant in the frozen graph."""
    inside = variables_in_functions(graph.kept.values(), effects.inliner.registry.library)
    seen = {state_of(n) for n in chain(graph.kept.values(), inside) if effects.is_state(n)}
    found: set[State] = set()
    for state, change in lost.items():
        if state in seen:
            if state[0] and not (keeps and keeps(change.maker)):
                raise _write_is_seen(graph, change)
            found.add(state)
    return found


def _users(flat: Mapping[str, Node], states: Collection[State], effects: Effects) -> list[str]:
    """The nodes that are given a handle or buffer of some state, or of what it may be."""
    readers: dict[str, list[Node]] = {}
    for node in flat.values():
        for tensor in node.inputs:
            readers.setdefault(node_of(tensor), []).append(node)
    pending = [n.name for n in flat.values() if effects.is_state(n) and state_of(n) in states]
    found = dict.fromkeys(pending)
    while pending:
        for reader in readers.get(pending.pop(), ()):
            if reader.name not in found:
                found[reader.name] = None
                if effects.forwards(reader):
                    pending.append(reader.name)
    return list(found)


def _running(graph: Pruning) -> Collection[str]:
    """The nodes of the model's own graph that run; of calls, those that run whole."""
    inside = {
        t: graph.callers[node_of(t)] for t in (*graph.asked, *graph.cuts) if node_of(t) in graph.callers
    }
    roots = [node_of(t) for t in graph.asked if t not in inside]
    for call in inside.values():
        roots += [node_of(i) for i in graph.calling[call].inputs]
    whole = pruned(dict(graph.calling), roots)
    return whole.keys() - set(inside.values())


def _left(call: Node) -> Node:
    return with_attrs(call, _noinline=AttrValue(b=True))


def _write_is_seen(graph: Pruning, change: Change) -> FreezeError:
    variable = variable_key(change.maker)[1]
    call = graph.caller(change.writer.name)
    way = shown((*path_to(graph.calling, map(node_of, graph.asked), call), change.writer.name))
    return FreezeError(
        Reason.REACHABLE_WRITE,
        f"The node {change.writer.name!r} (op {change.writer.op!r}) writes to the variable {variable!r}, and an output "
        f"needs the call it runs in: {way}. The outputs read that variable, too, and a constant cannot be written to. "
        f"Choose another output (--output-nodes), keep the variable (--deny {variable}), or cut the graph at a tensor "
        "between them (--input-nodes).",
        subject=variable,
    )
