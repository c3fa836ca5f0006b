"""Calls are replaced by the bodies they call."""

from __future__ import annotations

import time

import pytest

from rewrite.graphs import graph, library, shape_of
from tffreeze_server.budget import Budget
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.inline import Inliner, inline_calls, nodes_run_by
from tffreeze_server.graph.node import new_node
from tffreeze_server.graph.op_registry import OpRegistry
from tffreeze_server.graph.op_table import op_defs

DOUBLE = """
library { function {
  signature { name: "double" input_arg { name: "v" type: DT_FLOAT } output_arg { name: "r" type: DT_FLOAT }
              control_output: "done" }
  node_def { name: "two" op: "Const" }
  node_def { name: "mul" op: "Mul" input: "v" input: "two:output:0" }
  node_def { name: "check" op: "Assert" input: "^mul" }
  ret { key: "r" value: "mul:z:0" }
  control_ret { key: "done" value: "check" }
} }
"""
CALL = 'op: "PartitionedCall" attr { key: "f" value { func { name: "double" } } }'


def outputs(text: str) -> OpRegistry:
    """What the functions of a text may call."""
    return OpRegistry(library(text), op_defs(), Budget())


def test_results_are_read_where_they_are_made() -> None:
    """What read the call reads the body's node; the call is gone."""
    nodes = graph(
        f'node {{ name: "x" op: "Placeholder" }} node {{ name: "c" input: "x" {CALL} }}'
        'node { name: "y" op: "Neg" input: "c" }'
    )

    flat, aliases = inline_calls(nodes, Inliner(outputs(DOUBLE)), frozenset())

    assert {"c": "c/mul"} == aliases
    assert ("Neg", ("c/mul",)) == shape_of(flat)["y"]
    assert ("Mul", ("x", "c/two")) == shape_of(flat)["c/mul"]
    assert "c" not in flat


def test_what_waits_for_a_call_waits_for_all_of_it() -> None:
    """A NoOp of the call's name waits for control results and results."""
    nodes = graph(
        f'node {{ name: "x" op: "Placeholder" }} node {{ name: "c" input: "x" {CALL} }}'
        'node { name: "y" op: "Neg" input: "x" input: "^c" }'
    )

    flat = nodes_run_by(nodes, ["y"], Inliner(outputs(DOUBLE)))

    assert ("NoOp", ("^c/check", "^c/mul")) == shape_of(flat)["c"]


def test_what_a_call_waits_for_its_body_waits_for() -> None:
    """The nodes that read arguments and constants only wait for what the call waited for."""
    nodes = graph(
        'node { name: "x" op: "Placeholder" } node { name: "w" op: "NoOp" }'
        f'node {{ name: "c" input: "x" input: "^w" {CALL} }} node {{ name: "y" op: "Neg" input: "c" }}'
    )

    flat, _ = inline_calls(nodes, Inliner(outputs(DOUBLE)), frozenset())

    assert ("Mul", ("x", "c/two", "^w")) == shape_of(flat)["c/mul"]
    assert ("Assert", ("^c/mul",)) == shape_of(flat)["c/check"]


def test_a_body_that_reads_only_arguments_waits() -> None:
    """Nothing else in the body holds such a node back."""
    text = """
    library { function {
      signature { name: "double" input_arg { name: "v" type: DT_FLOAT } output_arg { name: "r" type: DT_FLOAT } }
      node_def { name: "neg" op: "Neg" input: "v" }
      ret { key: "r" value: "neg:y:0" }
    } }
    """
    nodes = graph(
        'node { name: "x" op: "Placeholder" } node { name: "w" op: "NoOp" }'
        f'node {{ name: "c" input: "x" input: "^w" {CALL} }}'
    )

    flat, _ = inline_calls(nodes, Inliner(outputs(text)), frozenset())

    assert ("Neg", ("x", "^w")) == shape_of(flat)["c/neg"]


def test_in_a_loop_a_constant_of_a_body_knows_its_frame() -> None:
    """A node without inputs waits for an input of its call, where the graph has loops."""
    nodes = graph(
        'node { name: "x" op: "Placeholder" } node { name: "e" op: "Enter" input: "x" }'
        f'node {{ name: "c" input: "e" {CALL} }}'
    )

    flat, _ = inline_calls(nodes, Inliner(outputs(DOUBLE)), frozenset())

    assert ("Const", ("^c/input",)) == shape_of(flat)["c/two"]
    assert ("Identity", ("e",)) == shape_of(flat)["c/input"]


def test_in_a_loop_what_waits_for_a_call_runs_in_its_frame() -> None:
    """The NoOp of the call's name waits for an input of the call, too, though its body reads none."""
    nodes = graph(
        'node { name: "x" op: "Placeholder" } node { name: "e" op: "Enter" input: "x" }'
        f'node {{ name: "c" input: "e" {CALL} }} node {{ name: "y" op: "Neg" input: "e" input: "^c" }}'
    )

    flat, _ = inline_calls(nodes, Inliner(outputs(DOUBLE)), frozenset())

    assert ("NoOp", ("^c/check", "^c/mul", "^c/input")) == shape_of(flat)["c"]


def test_nodes_of_a_body_that_read_nothing() -> None:
    """One that gives the same whenever it runs does not wait; any other one waits for what the call waited for."""
    text = DOUBLE.replace("node_def {", 'node_def { name: "now" op: "Timestamp" } node_def {', 1)
    nodes = graph(
        'node { name: "x" op: "Placeholder" } node { name: "w" op: "NoOp" }'
        f'node {{ name: "c" input: "x" input: "^w" {CALL} }}'
    )

    flat, _ = inline_calls(nodes, Inliner(outputs(text)), frozenset())

    assert ("Const", ()) == shape_of(flat)["c/two"]
    assert ("Timestamp", ("^w",)) == shape_of(flat)["c/now"]


def test_noinline_is_honoured() -> None:
    """A function marked `_noinline` stays a call."""
    marked = DOUBLE.replace("signature {", 'attr { key: "_noinline" value { b: true } } signature {', 1)
    nodes = graph(f'node {{ name: "x" op: "Placeholder" }} node {{ name: "c" input: "x" {CALL} }}')

    flat, aliases = inline_calls(nodes, Inliner(outputs(marked)), frozenset())

    assert (nodes, {}) == (flat, aliases)


def test_a_call_by_name_is_a_call() -> None:
    """An op that is the name of a function calls it."""
    nodes = graph('node { name: "x" op: "Placeholder" } node { name: "c" op: "double" input: "x" }')

    _, aliases = inline_calls(nodes, Inliner(outputs(DOUBLE)), frozenset())

    assert {"c": "c/mul"} == aliases


def test_recursion_is_refused() -> None:
    """A function that calls itself ends in an error that names it."""
    text = DOUBLE.replace('op: "Assert" input: "^mul"', 'op: "double" input: "v"')
    nodes = graph('node { name: "x" op: "Placeholder" } node { name: "c" op: "double" input: "x" }')

    with pytest.raises(FreezeError) as caught:
        inline_calls(nodes, Inliner(outputs(text)), frozenset())

    assert (Reason.UNSUPPORTED_OP, "double") == (caught.value.reason, caught.value.subject)


def test_calls_that_double_end_in_an_error_not_in_memory() -> None:
    """Forty functions that call the next one twice would make 2^40 nodes."""
    functions = "".join(
        f"""function {{ signature {{ name: "f{k}" input_arg {{ name: "v" type: DT_FLOAT }}
            output_arg {{ name: "r" type: DT_FLOAT }} }}
            node_def {{ name: "a" op: "f{k + 1}" input: "v" }} node_def {{ name: "b" op: "f{k + 1}" input: "a:r:0" }}
            ret {{ key: "r" value: "b:r:0" }} }}"""
        for k in range(40)
    )
    last = """function { signature { name: "f40" input_arg { name: "v" type: DT_FLOAT }
      output_arg { name: "r" type: DT_FLOAT } } node_def { name: "n" op: "Neg" input: "v" }
      ret { key: "r" value: "n:y:0" } }"""
    nodes = graph('node { name: "x" op: "Placeholder" } node { name: "c" op: "f0" input: "x" }')

    with pytest.raises(FreezeError) as caught:
        inline_calls(nodes, Inliner(outputs(f"library {{ {functions} {last} }}")), frozenset())

    assert Reason.MODEL_TOO_COMPLEX is caught.value.reason


def test_an_inlined_node_never_takes_the_name_of_another() -> None:
    """Where the graph has a node `call/NODE` already, the body goes under a longer name."""
    nodes = graph(
        f'node {{ name: "x" op: "Placeholder" }} node {{ name: "c" input: "x" {CALL} }}'
        'node { name: "c/mul" op: "Neg" input: "c" }'
    )

    flat, aliases = inline_calls(nodes, Inliner(outputs(DOUBLE)), frozenset(), nodes)

    assert {"c": "c_/mul"} == aliases
    assert ("Neg", ("c_/mul",)) == shape_of(flat)["c/mul"]


FUNCTIONS = """
library {
  function { signature { name: "swap" input_arg { name: "a" type: DT_FLOAT } input_arg { name: "b" type: DT_FLOAT }
                         output_arg { name: "r" type: DT_FLOAT } output_arg { name: "s" type: DT_FLOAT } }
             ret { key: "r" value: "b" } ret { key: "s" value: "a" } }
  function { signature { name: "wait" input_arg { name: "a" type: DT_FLOAT } output_arg { name: "r" type: DT_FLOAT } }
             node_def { name: "input" op: "NoOp" input: "^a" } node_def { name: "k" op: "Const" input: "^input" }
             ret { key: "r" value: "k:output:0" } }
  function { signature { name: "nothing" } }
}
"""


def test_what_waits_for_an_argument_waits_for_its_tensor() -> None:
    """Where that is the second output of a call that is inlined too, it waits for what gives that."""
    nodes = graph(
        'node { name: "x" op: "Placeholder" } node { name: "y" op: "Placeholder" }'
        'node { name: "c" op: "swap" input: "x" input: "y" } node { name: "d" op: "wait" input: "c:1" }'
        'node { name: "e" op: "wait" input: "c" } node { name: "f" op: "NoOp" input: "d" input: "e" }'
    )

    flat = nodes_run_by(nodes, ["f"], Inliner(outputs(FUNCTIONS)))

    assert ("NoOp", ("^x",)) == shape_of(flat)["d/input"]
    assert ("NoOp", ("^y",)) == shape_of(flat)["e/input"]


def test_what_waits_for_a_call_that_hands_on_another_waits_for_both() -> None:
    """The NoOp of a call waits for results, though they be arguments that other calls gave."""
    nodes = graph(
        'node { name: "x" op: "Placeholder" } node { name: "y" op: "Placeholder" }'
        'node { name: "c" op: "swap" input: "x" input: "y" }'
        'node { name: "d" op: "swap" input: "c" input: "c:1" } node { name: "f" op: "NoOp" input: "^d" }'
    )

    flat = nodes_run_by(nodes, ["f"], Inliner(outputs(FUNCTIONS)))

    assert ("NoOp", ("^x", "^y")) == shape_of(flat)["d"]


def test_an_empty_function_is_nothing() -> None:
    """A call of it is what it waited for."""
    nodes = graph(
        'node { name: "w" op: "NoOp" } node { name: "c" op: "nothing" input: "^w" }'
        'node { name: "f" op: "NoOp" input: "^c" }'
    )

    flat = nodes_run_by(nodes, ["f"], Inliner(outputs(FUNCTIONS)))

    assert {"w": ("NoOp", ()), "c": ("NoOp", ("^w",)), "f": ("NoOp", ("^c",))} == shape_of(flat)


def test_in_a_branch_a_constant_of_a_body_is_dead_with_its_call() -> None:
    """It waits for an Identity of the call's input: waiting for a Switch would be waiting for either branch."""
    nodes = graph(
        'node { name: "x" op: "Placeholder" } node { name: "p" op: "Placeholder" }'
        'node { name: "s" op: "Switch" input: "x" input: "p" }'
        f'node {{ name: "c" input: "s:1" {CALL} }}'
    )

    flat, _ = inline_calls(nodes, Inliner(outputs(DOUBLE)), frozenset())

    assert ("Const", ("^c/input",)) == shape_of(flat)["c/two"]
    assert ("Identity", ("s:1",)) == shape_of(flat)["c/input"]


def test_calls_that_hand_on_are_followed_once() -> None:
    """A chain of 50,000 calls that give their argument back is read through in seconds, not hours."""
    text = 'node { name: "c0" op: "Placeholder" }' + "".join(
        f'node {{ name: "c{k}" op: "swap" input: "c{k - 1}" input: "c{k - 1}" }}' for k in range(1, 50_000)
    )
    nodes = graph(text + 'node { name: "y" op: "Neg" input: "c49999" }')
    before = time.monotonic()

    flat = nodes_run_by(nodes, ["y"], Inliner(outputs(FUNCTIONS)))

    assert {"c0": ("Placeholder", ()), "y": ("Neg", ("c0",))} == shape_of(flat)
    assert time.monotonic() - before < 20


def test_calls_that_feed_each_other_are_refused() -> None:
    """A body may name nodes in any order, but not in a circle."""
    text = """
    library {
      function { signature { name: "same" input_arg { name: "a" type: DT_FLOAT }
                             output_arg { name: "r" type: DT_FLOAT } }
                 ret { key: "r" value: "a" } }
      function { signature { name: "circle" output_arg { name: "r" type: DT_FLOAT } }
                 node_def { name: "a" op: "same" input: "b:r:0" } node_def { name: "b" op: "same" input: "a:r:0" }
                 ret { key: "r" value: "b:r:0" } }
    }
    """

    with pytest.raises(FreezeError) as caught:
        inline_calls(graph('node { name: "c" op: "circle" }'), Inliner(outputs(text)), frozenset())

    assert Reason.MALFORMED_MODEL is caught.value.reason


def drawn(text: str, prefix: str = "", **call: tuple[str, ...]) -> tuple[int, int]:
    """Steps and bytes that a copy of `double` draws for a call with some inputs."""
    inliner = Inliner(outputs(text))
    body = inliner.body("double", {})
    budget = inliner.registry.budget
    before = budget.steps, budget.size_bytes
    inliner.draw(body, "calls", new_node("c", "double", call.get("inputs", ("x",)), {}), prefix)
    return budget.steps - before[0], budget.size_bytes - before[1]


def test_what_a_call_draws() -> None:
    """Its nodes, what they read, its results, what it waits for at each node, its names with their prefix."""
    steps, size_bytes = drawn(DOUBLE)
    # Three nodes, three inputs of theirs and one of the call, one result and one control result.
    assert 25 * 3 + 2 * (3 + 1) + 3 * 2 == steps
    assert (steps + 2 + 3, size_bytes + 3 * (len("^wait") + 16)) == drawn(DOUBLE, inputs=("x", "^wait"))
    assert (steps, size_bytes + 2 * (3 + 3) * len("prefix/")) == drawn(DOUBLE, prefix="prefix/")
    more = DOUBLE.replace("control_output", 'output_arg { name: "s" type: DT_FLOAT } control_output').replace(
        "ret {", 'ret { key: "s" value: "mul:z:0" } ret {', 1
    )
    assert (steps + 3, size_bytes + 250 + 2 * len("mul")) == drawn(more)
    short, long = (
        drawn(
            DOUBLE.replace('op: "Const"', f'op: "Const" attr {{ key: "k" value {{ s: "{"n" * length}" }} }}')
        )
        for length in (10, 20)
    )
    assert (short[0], short[1] + 4 * 10) == long
