"""Ends of a graph get the names of their keys, without TensorFlow."""

from __future__ import annotations

from rewrite.graphs import graph, shape_of
from tffreeze_server.flatten.choose_outputs import Endpoint
from tffreeze_server.rewrite.rename_io import NamePlan, apply_names, plan_names

NODES = """
node { name: "p" op: "Placeholder" }
node { name: "q" op: "Placeholder" }
node { name: "twice" op: "Split" input: "p" }
node { name: "sum" op: "Add" input: "twice:1" input: "q" input: "^p" }
node { name: "scores" op: "Neg" input: "sum" }
"""


def end(key: str, tensor: str, signature_key: str = "serve") -> Endpoint:
    """An end of a signature."""
    return Endpoint(signature_key, key, tensor, 1, None)


def named(inputs: list[Endpoint], outputs: list[Endpoint]) -> NamePlan:
    """The names after keys."""
    return plan_names(graph(NODES), tuple(inputs), tuple(outputs))


def renamed(plan: NamePlan) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The graph with these names."""
    return shape_of(apply_names(plan, graph(NODES)))


def refusals(found: NamePlan) -> list[tuple[str, str, str]]:
    """Which ends did not get the name of their key, and why."""
    return [(r.side, r.end.key, r.why) for r in found.refused]


def test_an_input_is_renamed_and_an_output_is_made() -> None:
    """What reads the input follows, control dependencies and second outputs too."""
    found = named([end("image", "p")], [end("total", "sum"), end("half", "twice:1")])
    assert {
        "image": ("Placeholder", ()),
        "q": ("Placeholder", ()),
        "twice": ("Split", ("image",)),
        "sum": ("Add", ("twice:1", "q", "^image")),
        "scores": ("Neg", ("sum",)),
        "half": ("Identity", ("twice:1",)),
        "total": ("Identity", ("sum",)),
    } == renamed(found)
    assert {"p": "image"} == found.moved
    assert {
        ("serve", "image", False): "image",
        ("serve", "total", True): "total",
        ("serve", "half", True): "half",
    } == found.tensors
    assert [] == refusals(found)


def test_what_had_the_name_makes_way() -> None:
    """A node that is no end gets another name."""
    found = named([end("sum", "p")], [end("scores", "sum")])
    assert {"p": "sum", "sum": "sum_1", "scores": "scores_1"} == found.moved
    assert ("Identity", ("sum_1",)) == renamed(found)["scores"]
    assert ("Neg", ("sum_1",)) == renamed(found)["scores_1"]


def test_an_input_that_has_its_name_already() -> None:
    """Nothing moves for it."""
    found = named([end("p", "p")], [])
    assert ({}, []) == (found.moved, refusals(found))


def test_inputs_that_are_not_renamed() -> None:
    """One with several keys, one that is no Placeholder, the second of one name."""
    several = named([end("a", "p"), end("b", "p")], [])
    assert [("input", "a", "it has several keys"), ("input", "b", "it has several keys")] == refusals(several)
    assert {} == several.moved
    other = named([end("a", "sum")], [])
    assert [("input", "a", "only a Placeholder is renamed, and its op is 'Add'")] == refusals(other)
    assert {} == other.moved
    twice = named([end("a!", "p"), end("a?", "q")], [])
    assert [("input", "a?", "another input or output has that name")] == refusals(twice)
    assert {"p": "a_"} == twice.moved


def test_an_input_and_an_output_of_one_name() -> None:
    """The input has it."""
    found = named([end("io", "p")], [end("io", "sum")])
    assert [("output", "io", "another input or output has that name")] == refusals(found)
    assert ("Identity", ("sum",)) == renamed(found)["io_output"]


def test_several_signatures() -> None:
    """Their names stand before the keys; one key of two signatures is one name for each."""
    found = named(
        [end("x", "p", "first"), end("x", "q", "second"), end("", "p", "")], [end("y", "sum", "first")]
    )
    assert {"p": "first/x", "q": "second/x"} == found.moved
    assert ("Identity", ("sum",)) == renamed(found)["first/y"]
