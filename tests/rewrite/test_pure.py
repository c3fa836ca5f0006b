"""Steps that plan or cut change nothing that they are handed."""

from __future__ import annotations

from rewrite.freezing import FLOAT, X
from rewrite.graphs import graph, shape_of
from tffreeze_server.budget import Budget
from tffreeze_server.flatten.choose_outputs import Endpoint
from tffreeze_server.flatten.cut import cut_at
from tffreeze_server.graph.op_registry import OpRegistry
from tffreeze_server.graph.op_table import op_defs
from tffreeze_server.rewrite.rename_io import apply_names, plan_names

NODES = (
    f'{X} node {{ name: "y" op: "Neg" input: "x" {FLOAT} }} node {{ name: "z" op: "Neg" input: "y" {FLOAT} }}'
)


def test_a_cut_gives_a_new_graph() -> None:
    """The nodes handed in are as they were; the Placeholder stands where the tensor was."""
    nodes = graph(NODES)
    before = dict(nodes)

    cut = cut_at(nodes, ["y"], OpRegistry({}, op_defs(), Budget()))

    assert before == nodes
    assert {"y": "y"} == cut.placeholders
    assert ("Placeholder", ()) == shape_of(cut.nodes)["y"]


def test_names_are_planned_before_they_are_given() -> None:
    """The plan moves what is in the way, and says so; the graph changes only when it is applied."""
    nodes = graph(NODES)
    before = dict(nodes)

    plan = plan_names(
        nodes, (Endpoint("serve", "y", "x", 1, None),), (Endpoint("serve", "scores", "z", 1, None),)
    )

    assert before == nodes
    assert {"x": "y", "y": "y_1"} == plan.moved
    assert () == plan.refused
    assert {
        "y": ("Placeholder", ()),
        "y_1": ("Neg", ("y",)),
        "z": ("Neg", ("y_1",)),
        "scores": ("Identity", ("z",)),
    } == shape_of(apply_names(plan, nodes))
