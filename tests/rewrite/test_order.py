"""What outputs reach, and in which order."""

from __future__ import annotations

import pytest

from rewrite.graphs import graph
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.order import reachable

LOOP = """
node { name: "x" op: "Placeholder" }
node { name: "enter" op: "Enter" input: "x" }
node { name: "merge" op: "Merge" input: "enter" input: "next" }
node { name: "next" op: "NextIteration" input: "add" }
node { name: "add" op: "Identity" input: "switch:1" }
node { name: "switch" op: "Switch" input: "merge" input: "cond" }
node { name: "cond" op: "LoopCond" input: "less" }
node { name: "less" op: "Identity" input: "merge" }
node { name: "exit" op: "Exit" input: "switch" }
node { name: "unused" op: "NoOp" }
"""


def test_every_node_comes_after_its_inputs() -> None:
    """Nodes that stand in a file in the wrong order are put in the right one."""
    nodes = graph(
        'node { name: "c" op: "Add" input: "a" input: "b:1" input: "^w" } node { name: "b" op: "Split" input: "a" }'
        'node { name: "w" op: "NoOp" } node { name: "a" op: "Const" }'
    )

    assert ["a", "b", "w", "c"] == list(reachable(nodes, ["c"]))


def test_a_loop_is_reached_whole() -> None:
    """A NextIteration, which closes a loop, is reached through the Merge that stands before it."""
    reached = list(reachable(graph(LOOP), ["exit"]))

    assert {"x", "enter", "merge", "next", "add", "switch", "cond", "less", "exit"} == set(reached)
    assert reached.index("merge") < reached.index("next")


def test_a_cycle_that_is_no_loop_is_an_error() -> None:
    """Two nodes that wait for each other are told by name."""
    nodes = graph('node { name: "a" op: "Neg" input: "b" } node { name: "b" op: "Neg" input: "a" }')

    with pytest.raises(FreezeError) as caught:
        reachable(nodes, ["a"])

    assert Reason.MALFORMED_MODEL is caught.value.reason
    assert "wait for each other" in caught.value.message


def test_an_input_that_is_not_there_is_named_with_the_nearest() -> None:
    """A reader of a missing node is named, and what the missing one may have been."""
    nodes = graph('node { name: "a" op: "Neg" input: "kernle" } node { name: "kernel" op: "Const" }')

    with pytest.raises(FreezeError) as caught:
        reachable(nodes, ["a"])

    assert (Reason.MALFORMED_MODEL, "a") == (caught.value.reason, caught.value.subject)
    assert "'kernel'" in caught.value.message


def test_a_deep_graph_is_no_deeper_than_memory() -> None:
    """A chain of 200,000 nodes is ordered without recursion."""
    text = 'node { name: "n0" op: "Const" }' + "".join(
        f'node {{ name: "n{k}" op: "Neg" input: "n{k - 1}" }}' for k in range(1, 200_000)
    )

    assert 200_000 == len(reachable(graph(text), ["n199999"]))
