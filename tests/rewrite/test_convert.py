"""What becomes of each node that holds or reads a variable; functions made for what they are given."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from checkpoint.bundle_writer import Stored, write_bundle
from rewrite.freezing import FLOAT, Frozen, freeze_text
from rewrite.graphs import graph, shape_of
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.flatten.drop_read_controls import without_waits_for_reads
from tffreeze_server.rewrite.clean import without_static_waits

FLOATS = 'attr { key: "dtype" value { type: DT_FLOAT } }'


def handle(name: str, shared_name: str = "", more: str = "", op: str = "VarHandleOp") -> str:
    """A node that is a variable."""
    shared = f'attr {{ key: "shared_name" value {{ s: "{shared_name or name}" }} }}'
    shape = 'attr { key: "shape" value { shape { } } }'
    return f'node {{ name: "{name}" op: "{op}" {FLOATS} {shape} {shared} {more} }}'


def read(name: str, variable: str, more: str = "") -> str:
    """A node that reads one."""
    return f'node {{ name: "{name}" op: "ReadVariableOp" input: "{variable}" {FLOATS} {more} }}'


def frozen_of(
    text: str, folder: Path, *outputs: str, keys: tuple[str, ...] = ("v", "w"), **options: object
) -> Frozen:
    """Freeze with a checkpoint that has a scalar under each key."""
    tensors = [Stored(key, 1, (), struct.pack("<f", k)) for k, key in enumerate(sorted(keys))]
    return freeze_text(
        text, folder, *outputs, checkpoint=write_bundle(folder / "checkpoint", tensors), **options
    )


def test_two_nodes_of_one_variable_share_its_constant(tmp_path: Path) -> None:
    """The second one is an Identity of the first."""
    text = handle("a", "v") + handle("b", "v") + read("x", "a") + read("y", "b")
    frozen = frozen_of(text, tmp_path, "x", "y")

    assert {"a": ("Const", ()), "b": ("Identity", ("a",))} == {
        k: v for k, v in frozen.shape().items() if k in "ab"
    }
    assert ["v"] == [variable.name for variable in frozen.report.variables]


def test_containers_keep_variables_apart(tmp_path: Path) -> None:
    """The same name in another container is another variable: nobody needs it here."""
    text = handle("a", "v") + handle("b", "v", 'attr { key: "container" value { s: "other" } }')
    frozen = frozen_of(text + read("x", "a"), tmp_path, "x")

    assert ["v"] == [variable.name for variable in frozen.report.variables]


def test_waits_for_a_variable_are_gone(tmp_path: Path) -> None:
    """To wait for a constant is to wait for nothing; what the read waited for is waited for."""
    text = (
        handle("a", "v")
        + 'node { name: "n" op: "NoOp" input: "^p" } node { name: "p" op: "Placeholder" attr { key: "dtype" value '
        "{ type: DT_FLOAT } } }"
        + read("r", "a", 'input: "^n"')
        + f'node {{ name: "y" op: "Neg" input: "p" input: "^r" input: "^a" {FLOAT} }}'
    )
    frozen = frozen_of(text, tmp_path, "y")

    assert {"p": ("Placeholder", ()), "n": ("NoOp", ("^p",)), "y": ("Neg", ("p", "^n"))} == frozen.shape()
    assert () == frozen.report.variables


def test_what_stays_is_waited_for() -> None:
    """A read of a variable that stays, and an op that is no read, are waited for as before."""
    nodes = graph(
        handle("a")
        + handle("b")
        + read("r", "a")
        + read("s", "b")
        + 'node { name: "y" op: "NoOp" input: "^r" input: "^s" }'
    )

    left = without_waits_for_reads(nodes, lambda node: node.name == "b")

    assert ("NoOp", ("^s",)) == shape_of(left)["y"]


def test_a_constant_that_waits_is_waited_for() -> None:
    """It stands in a branch or loop."""
    nodes = graph(
        'node { name: "s" op: "Switch" } node { name: "c" op: "Const" input: "^s" } node { name: "d" op: "Const" }'
        'node { name: "i" op: "Identity" input: "c" } node { name: "j" op: "Identity" input: "d" }'
        'node { name: "y" op: "NoOp" input: "^i" input: "^j" input: "^c" input: "^d" }'
    )

    assert ("NoOp", ("^i", "^c")) == shape_of(without_static_waits(nodes.values()))["y"]


NOINLINE = 'attr { key: "_noinline" value { b: true } }'
READS = f"""function {{ signature {{ name: "reads" input_arg {{ name: "h" type: DT_RESOURCE }}
  output_arg {{ name: "o" type: DT_FLOAT }} }} {NOINLINE}
  arg_attr {{ key: 0 value {{ attr {{ key: "_output_shapes" value {{ list {{ shape {{ }} }} }} }} }} }}
  node_def {{ name: "r" op: "ReadVariableOp" input: "h" {FLOATS} }} ret {{ key: "o" value: "r:value:0" }} }}"""


def test_a_function_is_made_once_for_variables_of_a_type(tmp_path: Path) -> None:
    """Two calls share it; the one that is given a kept variable has the model's own."""
    calls = "".join(f'node {{ name: "y{k}" op: "reads" input: "{v}" }}' for k, v in enumerate("vwz"))
    text = handle("v") + handle("w") + handle("z") + calls + f"library {{ {READS} }}"
    frozen = frozen_of(text, tmp_path, "y0", "y1", "y2", deny=("z",))

    assert {"reads", "reads_frozen"} == set(frozen.functions())
    assert ("reads_frozen", ("v",)) == frozen.shape()["y0"]
    assert ("reads_frozen", ("w",)) == frozen.shape()["y1"]
    assert ("reads", ("z",)) == frozen.shape()["y2"]
    made = frozen.functions()["reads_frozen"]
    assert 1 == made.signature.input_arg[0].type
    assert {} == dict(made.arg_attr)
    assert ["Identity"] == [node.op for node in made.node_def]


def test_a_name_that_is_taken_makes_way(tmp_path: Path) -> None:
    """The model may have a function of the name that one would be given."""
    taken = READS.replace('"reads"', '"reads_frozen"')
    calls = 'node { name: "y" op: "reads" input: "v" } node { name: "z" op: "reads_frozen" input: "w" }'
    text = handle("v") + handle("w") + calls + f"library {{ {READS} {taken} }}"
    frozen = frozen_of(text, tmp_path, "y", "z", deny=("w",))

    assert {"reads_frozen", "reads_frozen_1"} == set(frozen.functions())
    assert "reads_frozen_1" == frozen.shape()["y"][0]


def test_attributes_of_a_function_that_is_made_are_gone_from_its_calls(tmp_path: Path) -> None:
    """Their values stand in the body; an op may have no attributes but its own."""
    generic = f"""function {{ signature {{ name: "f" input_arg {{ name: "h" type: DT_RESOURCE }}
      output_arg {{ name: "o" type_attr: "T" }} attr {{ name: "T" type: "type" }} }} {NOINLINE}
      node_def {{ name: "r" op: "ReadVariableOp" input: "h" attr {{ key: "dtype" value {{ placeholder: "T" }} }} }}
      ret {{ key: "o" value: "r:value:0" }} }}"""
    call = 'node { name: "y" op: "f" input: "v" attr { key: "T" value { type: DT_FLOAT } } }'
    frozen = frozen_of(handle("v") + call + f"library {{ {generic} }}", tmp_path, "y")

    (node,) = (node for node in frozen.graph.node if node.name == "y")
    assert ("f_frozen", set()) == (node.op, set(node.attr))
    assert [] == list(frozen.functions()["f_frozen"].signature.attr)
    assert 1 == frozen.functions()["f_frozen"].signature.output_arg[0].type


def test_the_way_to_a_write_in_a_function(tmp_path: Path) -> None:
    """The message shows each step from the output, through the call, to the op that writes."""
    writes = f"""function {{ signature {{ name: "f" input_arg {{ name: "h" type: DT_RESOURCE }}
      output_arg {{ name: "o" type: DT_FLOAT }} }} {NOINLINE}
      node_def {{ name: "one" op: "Const" {FLOATS} }}
      node_def {{ name: "add" op: "AssignAddVariableOp" input: "h" input: "one:output:0" {FLOATS} }}
      node_def {{ name: "r" op: "ReadVariableOp" input: "h" input: "^add" {FLOATS} }}
      ret {{ key: "o" value: "r:value:0" }} }}"""
    calls = f'node {{ name: "c" op: "f" input: "v" }} node {{ name: "y" op: "Neg" input: "c" {FLOAT} }}'

    with pytest.raises(FreezeError) as caught:
        frozen_of(handle("v") + calls + f"library {{ {writes} }}", tmp_path, "y")

    assert (Reason.REACHABLE_WRITE, "v") == (caught.value.reason, caught.value.subject)
    assert "'y' ← 'c' ← 'r' ← 'add'" in caught.value.message


def test_a_list_that_names_no_variable(tmp_path: Path) -> None:
    """A name on the deny-list that is no variable is told with the nearest."""
    with pytest.raises(FreezeError) as caught:
        frozen_of(handle("weights", "v") + read("y", "weights"), tmp_path, "y", deny=("weihgts",))

    assert Reason.VARIABLE_NOT_FOUND is caught.value.reason
    assert "'weights'" in caught.value.message


def handed_on(second: str) -> str:
    """An If that hands on `v`, or in its other branch what is said, and is read."""
    branches = "".join(
        f'''function {{ signature {{ name: "{name}" input_arg {{ name: "a" type: DT_RESOURCE }}
          input_arg {{ name: "b" type: DT_RESOURCE }} output_arg {{ name: "o" type: DT_RESOURCE }} }}
          ret {{ key: "o" value: "{given}" }} }}'''
        for name, given in (("then", "a"), ("else", second))
    )
    return f"""{handle("v")} {handle("w")} node {{ name: "c" op: "Placeholder" attr {{ key: "dtype"
      value {{ type: DT_BOOL }} }} }}
      node {{ name: "if" op: "If" input: "c" input: "v" input: "w"
        attr {{ key: "Tcond" value {{ type: DT_BOOL }} }}
        attr {{ key: "Tin" value {{ list {{ type: DT_RESOURCE type: DT_RESOURCE }} }} }}
        attr {{ key: "Tout" value {{ list {{ type: DT_RESOURCE }} }} }}
        attr {{ key: "then_branch" value {{ func {{ name: "then" }} }} }}
        attr {{ key: "else_branch" value {{ func {{ name: "else" }} }} }} }}
      {read("y", "if")} library {{ {branches} }}"""


@pytest.mark.parametrize("second", ["a", "b"])
def test_branches_that_hand_on_variables(tmp_path: Path, second: str) -> None:
    """All of them give a frozen one, the same or another: the If gives a value."""
    frozen = frozen_of(handed_on(second), tmp_path, "y")
    (node,) = (n for n in frozen.graph.node if n.name == "if")
    assert [1] == list(node.attr["Tout"].list.type)
    assert ("Identity", ("if",)) == frozen.shape()["y"]


def test_branches_one_of_which_keeps_its_variable(tmp_path: Path) -> None:
    """The If would give a value or a handle."""
    with pytest.raises(FreezeError) as caught:
        frozen_of(handed_on("b"), tmp_path, "y", deny=("w",))
    assert (Reason.UNSUPPORTED_OP, "if") == (caught.value.reason, caught.value.subject)


@pytest.mark.parametrize("dtype", ["", 'attr { key: "dtype" value { type: DT_INT32 } }'])
def test_a_read_of_another_type(tmp_path: Path, dtype: str) -> None:
    """A read must say the type of its variable."""
    with pytest.raises(FreezeError) as caught:
        frozen_of(
            f'{handle("v")} node {{ name: "y" op: "ReadVariableOp" input: "v" {dtype} }}', tmp_path, "y"
        )
    assert (Reason.MALFORMED_MODEL, "y") == (caught.value.reason, caught.value.subject)


def test_a_loop_that_is_given_a_variable(tmp_path: Path) -> None:
    """What a While hands round is the value; its functions are made for it."""
    args = """input_arg { name: "a" type: DT_FLOAT } input_arg { name: "h" type: DT_RESOURCE }"""
    text = f"""{handle("v")} node {{ name: "x" op: "Placeholder" {FLOATS} }}
      node {{ name: "loop" op: "While" input: "x" input: "v"
        attr {{ key: "T" value {{ list {{ type: DT_FLOAT type: DT_RESOURCE }} }} }}
        attr {{ key: "cond" value {{ func {{ name: "cond" }} }} }}
        attr {{ key: "body" value {{ func {{ name: "body" }} }} }} }}
      node {{ name: "y" op: "Neg" input: "loop" {FLOAT} }}
      library {{ function {{ signature {{ name: "cond" {args} output_arg {{ name: "c" type: DT_BOOL }} }}
        node_def {{ name: "set" op: "VarIsInitializedOp" input: "h" }}
        ret {{ key: "c" value: "set:is_initialized:0" }} }}
      function {{ signature {{ name: "body" {args} output_arg {{ name: "o" type: DT_FLOAT }}
        output_arg {{ name: "g" type: DT_RESOURCE }} }}
        node_def {{ name: "r" op: "ReadVariableOp" input: "h" {FLOATS} }}
        node_def {{ name: "s" op: "AddV2" input: "a" input: "r:value:0" {FLOAT} }}
        ret {{ key: "o" value: "s:z:0" }} ret {{ key: "g" value: "h" }} }} }}"""
    frozen = frozen_of(text, tmp_path, "y")
    (loop,) = (n for n in frozen.graph.node if n.name == "loop")
    assert [1, 1] == list(loop.attr["T"].list.type)
    assert ("While", ("x", "v")) == frozen.shape()["loop"]
    for name in ("cond", "body"):
        made = frozen.functions()[loop.attr[name].func.name]
        assert [1, 1] == [arg.type for arg in made.signature.input_arg]
