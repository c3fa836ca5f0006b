"""Outputs by name, and cuts."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewrite.freezing import FLOAT, X, freeze_text
from tffreeze_server.errors import FreezeError, Reason

PAIR = """
library {
  function { signature { name: "pair" input_arg { name: "v" type: DT_FLOAT } output_arg { name: "r" type: DT_FLOAT }
                         output_arg { name: "s" type: DT_FLOAT } }
             node_def { name: "neg" op: "Neg" input: "v" attr { key: "T" value { type: DT_FLOAT } } }
             ret { key: "r" value: "neg:y:0" } ret { key: "s" value: "v" } }
  function { signature { name: "nothing" } }
}
"""
SPLIT = f"""
node {{ name: "axis" op: "Const" attr {{ key: "dtype" value {{ type: DT_INT32 }} }}
       attr {{ key: "value" value {{ tensor {{ dtype: DT_INT32 tensor_shape {{ }} int_val: 0 }} }} }} }}
node {{ name: "split" op: "Split" input: "axis" input: "x" {FLOAT}
       attr {{ key: "num_split" value {{ i: 2 }} }} }}
node {{ name: "y" op: "AddV2" input: "split" input: "split:1" {FLOAT} }}
"""
CALL = f'{X} node {{ name: "c" op: "pair" input: "x" }}'


def test_an_output_that_is_a_call_keeps_its_name(tmp_path: Path) -> None:
    """A node of the call's name hands all results on."""
    frozen = freeze_text(CALL + PAIR, tmp_path, "c")

    assert ("IdentityN", ("c/neg", "x")) == frozen.shape()["c"]
    assert ["c:0", "c:1"] == [output.tensor for output in frozen.report.outputs]


def test_an_output_that_is_a_tensor_of_a_call_keeps_its_name(tmp_path: Path) -> None:
    """`c:1` is `c:1` in the frozen graph too."""
    frozen = freeze_text(CALL + PAIR, tmp_path, "c:1")

    assert ("IdentityN", ("c/neg", "x")) == frozen.shape()["c"]
    assert ["c:1"] == [output.tensor for output in frozen.report.outputs]


def test_a_call_without_results_may_be_an_output(tmp_path: Path) -> None:
    """It is a NoOp of its name."""
    frozen = freeze_text('node { name: "c" op: "nothing" }' + PAIR, tmp_path, "c")

    assert {"c": ("NoOp", ())} == frozen.shape()


def test_an_output_inside_a_call_is_named_by_its_path(tmp_path: Path) -> None:
    """`call/node`."""
    frozen = freeze_text(CALL + PAIR, tmp_path, "c/neg")

    assert {"x": ("Placeholder", ()), "c/neg": ("Neg", ("x",))} == frozen.shape()


@pytest.mark.parametrize("name", ["nothere", "c/nothere", "y:7", "c:2", "c/neg:1", "split:2"])
def test_an_output_that_is_not_there(name: str, tmp_path: Path) -> None:
    """A node, or an output of one, that does not exist is an error."""
    with pytest.raises(FreezeError) as caught:
        freeze_text(CALL + SPLIT + PAIR, tmp_path, name)

    assert Reason.OUTPUT_NOT_FOUND is caught.value.reason


@pytest.mark.parametrize(("output", "made"), [("c", "c_0"), ("c:1", "c_1")])
def test_a_call_that_is_cut_off_is_not_read(output: str, made: str, tmp_path: Path) -> None:
    """A Placeholder stands for the call's output; what is above is gone."""
    text = CALL + f'node {{ name: "y" op: "Neg" input: "{output}" {FLOAT} }}' + PAIR

    frozen = freeze_text(text, tmp_path, "y", input_nodes=(output,))

    assert {made: ("Placeholder", ()), "y": ("Neg", (made,))} == frozen.shape()
    assert ["c:1" if output == "c:1" else "c:0"] == [i.original for i in frozen.report.inputs]
    assert [f"{made}:0"] == [i.tensor for i in frozen.report.inputs]


def test_a_cut_leaves_what_the_tensor_was_made_of_to_others(tmp_path: Path) -> None:
    """A call that hands its argument on is cut without cutting the argument for other readers."""
    text = CALL + f'node {{ name: "y" op: "AddV2" input: "c:1" input: "x" {FLOAT} }}' + PAIR

    frozen = freeze_text(text, tmp_path, "y", input_nodes=("c:1",))

    assert ("AddV2", ("c_1", "x")) == frozen.shape()["y"]


def test_one_output_of_several_is_cut(tmp_path: Path) -> None:
    """The other one stays."""
    frozen = freeze_text(X + SPLIT, tmp_path, "y", input_nodes=("split:1",))

    assert ("AddV2", ("split", "split_1")) == frozen.shape()["y"]
    assert ("Placeholder", ()) == frozen.shape()["split_1"]


def test_an_output_that_is_cut_is_a_placeholder(tmp_path: Path) -> None:
    """What is wanted is what it is cut at."""
    frozen = freeze_text(X + SPLIT, tmp_path, "split:1", input_nodes=("split:1",))

    assert {"split_1": ("Placeholder", ())} == frozen.shape()
    assert [("split:1", "split_1:0")] == [(o.original, o.tensor) for o in frozen.report.outputs]


def test_a_cut_inside_a_call(tmp_path: Path) -> None:
    """A node of an inlined body is cut by its path."""
    frozen = freeze_text(CALL + PAIR, tmp_path, "c", input_nodes=("c/neg",))

    assert ("Placeholder", ()) == frozen.shape()["c/neg"]
    assert ("IdentityN", ("c/neg", "x")) == frozen.shape()["c"]


@pytest.mark.parametrize("name", ["nothere", "split:2", "c/nothere"])
def test_a_cut_where_nothing_is(name: str, tmp_path: Path) -> None:
    """It is an error, not ignored."""
    with pytest.raises(FreezeError) as caught:
        freeze_text(X + SPLIT, tmp_path, "y", input_nodes=(name,))

    assert Reason.INPUT_NOT_FOUND is caught.value.reason


def test_one_output_of_a_wanted_node_is_cut(tmp_path: Path) -> None:
    """The node is there for its other output, and the Placeholder for the one that is cut."""
    frozen = freeze_text(X + SPLIT, tmp_path, "split", input_nodes=("split:1",))

    assert {"axis", "x", "split", "split_1"} == set(frozen.shape())
    assert ["split:0", "split_1:0"] == [o.tensor for o in frozen.report.outputs]


REF = """
node { name: "v" op: "VariableV2" attr { key: "dtype" value { type: DT_FLOAT } }
       attr { key: "shape" value { shape { } } } }
"""


def test_a_variable_is_cut_where_its_value_is_read(tmp_path: Path) -> None:
    """A Placeholder stands for its value."""
    frozen = freeze_text(
        f'{REF} node {{ name: "y" op: "Neg" input: "v" {FLOAT} }}', tmp_path, "y", input_nodes=("v",)
    )

    assert {"v": ("Placeholder", ()), "y": ("Neg", ("v",))} == frozen.shape()


def test_a_buffer_is_not_cut_where_it_is_asked_for(tmp_path: Path) -> None:
    """An op that asks for the buffer cannot be given a Placeholder."""
    with pytest.raises(FreezeError) as caught:
        freeze_text(
            f'{REF} node {{ name: "y" op: "RefIdentity" input: "v" {FLOAT} }}',
            tmp_path,
            "y",
            input_nodes=("v",),
        )

    assert (Reason.INVALID_OPTION, "v") == (caught.value.reason, caught.value.subject)


def test_a_cut_at_an_output_that_is_not_there(tmp_path: Path) -> None:
    """The last output may be cut at, the one behind it may not."""
    text = f'{X} node {{ name: "n" op: "Neg" input: "x" {FLOAT} }} node {{ name: "y" op: "Neg" input: "n" {FLOAT} }}'
    assert {"n": ("Placeholder", ()), "y": ("Neg", ("n",))} == freeze_text(
        text, tmp_path, "y", input_nodes=("n:0",)
    ).shape()
    with pytest.raises(FreezeError) as caught:
        freeze_text(text, tmp_path, "y", input_nodes=("n:1",))
    assert (Reason.INPUT_NOT_FOUND, "n:1") == (caught.value.reason, caught.value.subject)
    assert "is known to have 1 outputs" in caught.value.message
