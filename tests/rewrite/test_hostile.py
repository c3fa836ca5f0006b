"""Graphs that are damaged, hostile or very large: an error with a reason, or a result, in bounded time."""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from google.protobuf import text_format

from checkpoint.bundle_writer import Stored, write_bundle
from rewrite.freezing import FLOAT, X, freeze_graph, freeze_text
from rewrite.mutate import mutated
from tffreeze_server.emit.emit import write_file
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.freeze import freeze
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.tfproto.graph_pb2 import GraphDef
from tffreeze_server.tfproto.saved_model_pb2 import SavedModel

PREDICATE = 'node { name: "p" op: "Placeholder" attr { key: "dtype" value { type: DT_BOOL } } }'
VARIABLE = """
node_def { name: "v" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } }
           attr { key: "shape" value { shape { } } } attr { key: "shared_name" value { s: "v" } } }
node_def { name: "r" op: "ReadVariableOp" input: "v:resource:0" attr { key: "dtype" value { type: DT_FLOAT } } }
"""


@pytest.fixture(autouse=True)
def stack_of_python() -> Iterator[None]:
    """The bounds hold for the recursion limit that Python starts with."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(limit)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What happens here takes no longer, on a busy machine."""
    before = time.monotonic()
    yield
    assert time.monotonic() - before < seconds


def function(name: str, nodes: str, result: str, attrs: str = "") -> str:
    """A function of one float that gives one."""
    return f"""function {{ signature {{ name: "{name}" input_arg {{ name: "a" type: DT_FLOAT }}
                output_arg {{ name: "o" type: DT_FLOAT }} }} {attrs} {nodes} ret {{ key: "o" value: "{result}" }} }}"""


def branch(name: str, inputs: str, then: str, other: str, field: str = "node") -> str:
    """An If of one float."""
    return f"""{field} {{ name: "{name}" op: "If" {inputs} attr {{ key: "Tcond" value {{ type: DT_BOOL }} }}
      attr {{ key: "Tin" value {{ list {{ type: DT_FLOAT }} }} }}
      attr {{ key: "Tout" value {{ list {{ type: DT_FLOAT }} }} }}
      attr {{ key: "then_branch" value {{ func {{ name: "{then}" }} }} }}
      attr {{ key: "else_branch" value {{ func {{ name: "{other}" }} }} }} }}"""


def checkpoint_of(folder: Path, *names: str) -> Path:
    """A checkpoint with a scalar 7.0 under each of these keys."""
    prefix = folder / "checkpoint"
    write_bundle(prefix, [Stored(name, 1, (), struct.pack("<f", 7.0)) for name in sorted(names)])
    return prefix


def reason_of(work: Callable[[], object]) -> Reason:
    """The reason why it could not be done."""
    with pytest.raises(FreezeError) as caught:
        work()
    assert caught.value.message.endswith((".", "?"))
    return caught.value.reason


RECURSIVE = function(
    "f",
    branch("i", 'input: "c:output:0" input: "a"', "f", "f", "node_def")
    + """
  node_def { name: "c" op: "Const" attr { key: "dtype" value { type: DT_BOOL } }
             attr { key: "value" value { tensor { dtype: DT_BOOL tensor_shape { } bool_val: true } } } }
  node_def { name: "s" op: "AddV2" input: "i:output:0" input: "%s" attr { key: "T" value { type: DT_FLOAT } } }
""",
    "s:z:0",
)


def test_a_branch_that_runs_itself_with_a_variable(tmp_path: Path) -> None:
    """Recursion through branches ends in an error where a variable stands in it."""
    recursive = RECURSIVE % "r:value:0"
    recursive = recursive.replace("ret {", f"{VARIABLE} ret {{", 1)
    text = X + PREDICATE + branch("y", 'input: "p" input: "x"', "f", "f") + f"library {{ {recursive} }}"

    assert Reason.UNSUPPORTED_OP is reason_of(
        lambda: freeze_text(text, tmp_path, "y", checkpoint=checkpoint_of(tmp_path, "v"))
    )


def test_a_branch_that_runs_itself_without_variables_is_kept(tmp_path: Path) -> None:
    """What need not be changed passes through."""
    text = X + PREDICATE + branch("y", 'input: "p" input: "x"', "f", "f") + f"library {{ {RECURSIVE % 'a'} }}"

    assert ["f"] == list(freeze_text(text, tmp_path, "y").functions())


def nested_branches(depth: int) -> str:
    """Branches in branches, a variable read in the innermost."""
    predicate = """node_def { name: "c" op: "Const" attr { key: "dtype" value { type: DT_BOOL } }
      attr { key: "value" value { tensor { dtype: DT_BOOL tensor_shape { } bool_val: true } } } }"""
    functions = [
        function(
            f"f{k}",
            predicate + branch("i", 'input: "c:output:0" input: "a"', f"f{k + 1}", f"f{k + 1}", "node_def"),
            "i:output:0",
        )
        for k in range(depth - 1)
    ]
    last = function(f"f{depth - 1}", VARIABLE, "r:value:0")
    library = f"library {{ {' '.join(functions)} {last} }}"
    return X + PREDICATE + branch("y", 'input: "p" input: "x"', "f0", "f0") + library


def test_branches_nested_deep(tmp_path: Path) -> None:
    """Deeper than any model nests them, on the stack that Python has."""
    frozen = freeze_text(nested_branches(90), tmp_path, "y", checkpoint=checkpoint_of(tmp_path, "v"))

    assert 90 == len(frozen.functions())
    assert ["v"] == [variable.name for variable in frozen.report.variables]
    assert "Const" in {node.op for node in frozen.functions()["f89"].node_def}


@pytest.mark.parametrize("depth", [150, 3000])
def test_branches_nested_too_deep(depth: int, tmp_path: Path) -> None:
    """Past a bound it is an error, not a stack that overflows."""
    text = nested_branches(depth)
    prefix = checkpoint_of(tmp_path, "v")

    with within(30):
        assert Reason.UNSUPPORTED_OP is reason_of(lambda: freeze_text(text, tmp_path, "y", checkpoint=prefix))


def nested_calls(depth: int, prefix: str = "f") -> str:
    """Calls in calls."""
    functions = [
        function(
            f"{prefix}{k}",
            f'node_def {{ name: "{prefix}" op: "{prefix}{k + 1}" input: "a" }}',
            f"{prefix}:o:0",
        )
        for k in range(depth - 1)
    ]
    last = function(f"{prefix}{depth - 1}", f'node_def {{ name: "n" op: "Neg" input: "a" {FLOAT} }}', "n:y:0")
    return X + f'node {{ name: "c" op: "{prefix}0" input: "x" }} library {{ {" ".join(functions)} {last} }}'


def test_calls_nested_deep(tmp_path: Path) -> None:
    """150 calls in each other are inlined; the name tells the way."""
    frozen = freeze_text(nested_calls(150), tmp_path, "c")

    assert {"x", "c", "c/" + "f/" * 149 + "n"} == set(frozen.shape())


def test_calls_nested_too_deep(tmp_path: Path) -> None:
    """Past a bound it is an error, in no time."""
    text = nested_calls(5000)

    with within(30):
        assert Reason.UNSUPPORTED_OP is reason_of(lambda: freeze_text(text, tmp_path, "c"))


def test_names_do_not_grow_without_bound(tmp_path: Path) -> None:
    """Long names in deep calls that double are refused before they fill the memory."""
    name = "n" * 20_000
    functions = [
        function(
            f"f{k}",
            f'node_def {{ name: "{name}" op: "f{k + 1}" input: "a" }} node_def {{ name: "b" op: "f{k + 1}" '
            f'input: "{name}:o:0" }}',
            "b:o:0",
        )
        for k in range(30)
    ]
    last = function("f30", f'node_def {{ name: "n" op: "Neg" input: "a" {FLOAT} }}', "n:y:0")
    text = X + f'node {{ name: "c" op: "f0" input: "x" }} library {{ {" ".join(functions)} {last} }}'

    with within(60):
        assert Reason.MODEL_TOO_COMPLEX is reason_of(lambda: freeze_text(text, tmp_path, "c"))


def test_a_chain_of_100_000_nodes(tmp_path: Path) -> None:
    """Time grows with the graph, not with its square."""
    graph = text_format.Parse(X, GraphDef())
    for k in range(100_000):
        graph.node.add(name=f"n{k}", op="Neg", input=[f"n{k - 1}" if k else "x"]).attr["T"].type = 1

    with within(60):
        frozen = freeze_graph(graph, tmp_path, "n99999")

    assert 100_001 == len(frozen.graph.node)


def test_10_000_calls(tmp_path: Path) -> None:
    """Each is inlined, by way of the one before it."""
    text = function("f", f'node_def {{ name: "n" op: "Neg" input: "a" {FLOAT} }}', "n:y:0")
    graph = text_format.Parse(X + f"library {{ {text} }}", GraphDef())
    for k in range(10_000):
        graph.node.add(name=f"c{k}", op="f", input=[f"c{k - 1}" if k else "x"])

    with within(60):
        frozen = freeze_graph(graph, tmp_path, "c9999")

    assert 10_002 == len(frozen.graph.node)


@pytest.mark.parametrize("variable", ["", VARIABLE])
def test_many_functions_that_share_many(variable: str, tmp_path: Path) -> None:
    """2,000 branches into a chain of 2,000 calls that stay calls: each function is looked at once."""
    noinline = 'attr { key: "_noinline" value { b: true } }'
    chain = [
        function(f"g{k}", f'node_def {{ name: "n" op: "g{k + 1}" input: "a" }}', "n:o:0", noinline)
        for k in range(2000)
    ]
    last = function("g2000", f'node_def {{ name: "n" op: "Neg" input: "a" {FLOAT} }} {variable}', "n:y:0")
    users = [
        function(f"u{k}", f'node_def {{ name: "n" op: "g{k % 20}" input: "a" }}', "n:o:0")
        for k in range(2000)
    ]
    nodes = [
        branch(f"i{k}", f'input: "p" input: "{f"i{k - 1}" if k else "x"}"', f"u{k}", f"u{k}")
        for k in range(2000)
    ]
    text = X + PREDICATE + " ".join(nodes) + f"library {{ {' '.join((*chain, last, *users))} }}"
    graph = text_format.Parse(text, GraphDef())

    with within(60):
        if variable:  # A chain of 2,000 calls that must be made anew is past the bound.
            prefix = checkpoint_of(tmp_path, "v")
            work = lambda: freeze_graph(graph, tmp_path, "i1999", checkpoint=prefix)  # noqa: E731
            assert Reason.UNSUPPORTED_OP is reason_of(work)
        else:
            assert 4001 == len(freeze_graph(graph, tmp_path, "i1999").functions())


HANDLE = """
node { name: "v" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } }
       attr { key: "shape" value { shape { } } } attr { key: "shared_name" value { s: "v" } } }
node { name: "k" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
       attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { } int_val: 0 } } } }
"""
TYPES = 'attr { key: "%s" value { list { type: DT_RESOURCE } } }'
FUNCTION = 'attr { key: "%s" value { func { name: "%s" } } }'
TAKES_ONE = """function { signature { name: "one" input_arg { name: "h" type: DT_RESOURCE }
  output_arg { name: "o" type: DT_RESOURCE } } ret { key: "o" value: "h" } }"""
TAKES_NONE = """function { signature { name: "none" } }"""
GIVES_NONE = """function { signature { name: "lost" input_arg { name: "h" type: DT_RESOURCE } } }"""
MALFORMED = {
    "gather without a type": 'op: "ResourceGather" input: "v" input: "k"',
    "gather without indices": 'op: "ResourceGather" input: "v" attr { key: "Tindices" value { type: DT_INT32 } }',
    "gather_nd without a type": 'op: "ResourceGatherNd" input: "v" input: "k"',
    "identity_n without types": 'op: "IdentityN" input: "v"',
    "identity_n of fewer types": f'op: "IdentityN" input: "k" input: "v" {TYPES % "T"}',
    "read as another type": 'op: "ReadVariableOp" input: "v" attr { key: "dtype" value { type: DT_INT32 } }',
    "loop without a body": f'op: "While" input: "v" {TYPES % "T"} {FUNCTION % ("cond", "one")}',
    "loop without types": f'op: "While" input: "v" {FUNCTION % ("cond", "one")} {FUNCTION % ("body", "one")}',
    "loop that loses a variable": f'op: "While" input: "v" {TYPES % "T"} {FUNCTION % ("cond", "one")} '
    f"{FUNCTION % ('body', 'lost')}",
    "branch without types": f'op: "If" input: "k" input: "v" {FUNCTION % ("then_branch", "one")} '
    f"{FUNCTION % ('else_branch', 'one')}",
    "branches of different results": f'op: "If" input: "k" input: "v" {TYPES % "Tin"} {TYPES % "Tout"} '
    f"{FUNCTION % ('then_branch', 'one')} {FUNCTION % ('else_branch', 'lost')}",
    "branch that takes nothing": f'op: "If" input: "k" input: "v" {TYPES % "Tin"} {FUNCTION % ("then_branch", "none")} '
    f"{FUNCTION % ('else_branch', 'none')}",
    "case without branches": f'op: "Case" input: "k" input: "v" {TYPES % "Tin"}',
    "condition that is a variable": f'op: "If" input: "v" input: "v" {TYPES % "Tin"} {TYPES % "Tout"} '
    f"{FUNCTION % ('then_branch', 'one')} {FUNCTION % ('else_branch', 'one')}",
    "a function that is not there": f'op: "If" input: "k" input: "v" {FUNCTION % ("then_branch", "nothere")} '
    f"{FUNCTION % ('else_branch', 'one')}",
    "a switch by a variable": 'op: "Switch" input: "k" input: "v" attr { key: "T" value { type: DT_INT32 } }',
    "a write": 'op: "AssignVariableOp" input: "v" input: "k"',
    "an op that is not known": 'op: "Mystery" input: "v"',
}


@pytest.mark.parametrize("case", sorted(MALFORMED))
def test_malformed_nodes_end_in_an_error(case: str, tmp_path: Path) -> None:
    """What a node lacks, or has too much of, is told; nothing is guessed and nothing breaks."""
    text = (
        f'{HANDLE} node {{ name: "y" {MALFORMED[case]} }} library {{ {TAKES_ONE} {TAKES_NONE} {GIVES_NONE} }}'
    )
    prefix = checkpoint_of(tmp_path, "v")
    reason = reason_of(lambda: freeze_text(text, tmp_path, "y", checkpoint=prefix))

    assert reason in (Reason.MALFORMED_MODEL, Reason.UNSUPPORTED_OP, Reason.REACHABLE_WRITE)


def test_made_names_make_way(tmp_path: Path) -> None:
    """A node of the model may have the name that the freeze would give to one of its own."""
    gather = 'op: "ResourceGather" input: "v" input: "k" attr { key: "Tindices" value { type: DT_INT32 } }'
    neg = 'node { name: "y/axis" op: "Neg" input: "k" attr { key: "T" value { type: DT_INT32 } } }'
    text = f'{HANDLE} node {{ name: "y" {gather} input: "^y/axis" }} {neg}'
    frozen = freeze_text(text, tmp_path, "y", checkpoint=checkpoint_of(tmp_path, "v"))

    assert ("GatherV2", ("v", "k", "y/axis_", "^y/axis")) == frozen.shape()["y"]
    assert ("Neg", ("k",)) == frozen.shape()["y/axis"]
    assert "Const" == frozen.shape()["y/axis_"][0]


FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"


@pytest.mark.parametrize("start", range(0, 400, 100))
def test_a_damaged_model_freezes_or_says_why_not(start: int, tmp_path: Path) -> None:
    """A model changed at random places ends in a result or in an error with a reason, soon."""
    original = SavedModel.FromString((FIXTURES / "digits" / "saved_model.pb").read_bytes())
    (tmp_path / "variables").symlink_to(FIXTURES / "digits" / "variables")
    outcomes = set()
    for seed in range(start, start + 100):
        random = Random(seed)
        model = SavedModel()
        model.CopyFrom(original)
        graph = model.meta_graphs[0].graph_def
        graph.CopyFrom(mutated(graph, random, random.choice((1, 2, 5))))
        (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
        options = FreezeOptions(rename_io=random.random() < 0.5, clear_devices=random.random() < 0.5)
        with within(20):
            try:
                write_file(freeze(ModelSource(tmp_path), options).plan, tmp_path / "frozen.pb")
                outcomes.add(None)
            except FreezeError as error:
                outcomes.add(error.reason)
    assert outcomes >= {None, Reason.MALFORMED_MODEL}
