"""The table of ops is whole, each of its facts is used, and no other module holds a set of ops."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tffreeze_server.graph import ops
from tffreeze_server.graph.op_args import input_ranges, output_ranges
from tffreeze_server.graph.op_table import is_tensorflow_op, op_defs
from tffreeze_server.graph.ops import TABLE, Op, Trait
from tffreeze_server.inspection import candidates
from tffreeze_server.resolve import evaluate

SERVICE = Path(__file__).resolve().parents[2] / "service" / "tffreeze_server"

NOT_ENGINE = {"rpc", "server", "tfproto"}

DISPATCH = {
    "resolve/evaluate.py": ["_ELEMENTWISE", "_LIKE"],  # how we compute each op
    "inspection/candidates.py": ["_OP_POINTS"],  # how likely each op is an output
}
"""By module: mappings from an op to what that module does with it."""


def engine() -> Iterator[tuple[str, ast.Module]]:
    """The modules of the engine, but for the table itself."""
    for path in sorted(SERVICE.rglob("*.py")):
        name = path.relative_to(SERVICE)
        if name.parts[0] not in NOT_ENGINE and name.name != "ops.py":
            yield name.as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def sets_of_ops(module: ast.AST) -> Iterator[list[str]]:
    """Collections of two or more names, all of ops, that are written out in a module."""
    for node in ast.walk(module):
        elements = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [])
        names = [e.value for e in elements if isinstance(e, ast.Constant) and isinstance(e.value, str)]
        if len(names) > 1 and all(map(is_tensorflow_op, names)):
            yield names


def assigned(module: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """The statements of a module that set a name, by that name."""
    for statement in module.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id, statement
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            yield statement.targets[0].id, statement


def test_each_op_has_one_row() -> None:
    """A fact about an op stands in one place."""
    names = [op.name for op in TABLE]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("op", TABLE, ids=lambda op: op.name)
def test_an_op_of_the_table_is_one_of_tensorflow(op: Op) -> None:
    """It is in the bundled registry, and has some fact."""
    assert is_tensorflow_op(op.name)
    assert op.role or op.call or op.traits or op.restore_inputs


@pytest.mark.parametrize("op", [op for op in TABLE if op.call], ids=lambda op: op.name)
def test_a_call_names_attributes_of_its_op(op: Op) -> None:
    """What the table says of functions and types, the op's definition has."""
    assert op.call is not None
    definition = op_defs().find(op.name)
    assert definition is not None
    attrs = {attr.name: attr.type for attr in definition.attr}
    assert {"func", "list(func)"} >= {attrs[name] for name in op.call.functions}
    assert {"list(type)"} == {attrs[name] for name in (*op.call.input_types, op.call.output_types)}
    assert not op.call.output_shapes or attrs[op.call.output_shapes] == "list(shape)"


@pytest.mark.parametrize("op", [op for op in TABLE if op.restore_inputs], ids=lambda op: op.name)
def test_a_restore_op_has_its_inputs(op: Op) -> None:
    """As many as its definition has."""
    definition = op_defs().find(op.name)
    assert definition is not None
    assert op.restore_inputs == len(definition.input_arg)


@pytest.mark.parametrize("name", ["Switch", "RefSwitch"])
def test_a_switch_has_two_outputs(name: str) -> None:
    """Both are what it is given."""
    definition = op_defs().find(name)
    assert definition is not None
    assert ops.HANDLE_OUTPUTS[name] == len(output_ranges(definition, {})) == 2
    assert len(input_ranges(definition, {})) == 2


def test_each_fact_of_the_table_is_used() -> None:
    """Each trait is in a set, and each public set, mapping and rule is imported by some stage."""
    table = ast.parse((SERVICE / "graph" / "ops.py").read_text(encoding="utf-8"))
    in_sets = {
        ast.unparse(node.args[0])
        for node in ast.walk(table)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "_with"
    }
    assert {f"Trait.{trait.name}" for trait in Trait} == in_sets
    assert set(Trait) == {trait for op in TABLE for trait in op.traits}
    public = {name for name, _ in assigned(table)} | {
        s.name for s in table.body if isinstance(s, ast.FunctionDef)
    }
    imported = {
        alias.name
        for _, module in engine()
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and node.module == "tffreeze_server.graph.ops"
        for alias in node.names
    }
    private = {"TABLE", "WRITE_PREFIXES"}  # for the tests, and for `is_write`
    assert {name for name in public if not name.startswith("_")} - private == imported & public


def test_no_other_module_holds_a_set_of_ops() -> None:
    """What ops are is in the table; elsewhere only what one module does with each."""
    found = [
        (name, names)
        for name, module in engine()
        for names in sets_of_ops(module)
        if names not in dispatched(name, module)
    ]
    assert [] == found


def dispatched(name: str, module: ast.Module) -> list[list[str]]:
    """The keys of a module's mappings from an op to what it does with it."""
    kept = [s for target, s in assigned(module) if target in DISPATCH.get(name, ())]
    return [names for statement in kept for names in sets_of_ops(statement)]


def test_a_set_of_ops_is_noticed() -> None:
    """However it is written."""
    assert [["Switch", "Merge"]] == list(sets_of_ops(ast.parse('x = frozenset({"Switch", "Merge"})')))
    assert [["Switch", "Merge"]] == list(sets_of_ops(ast.parse('op in ("Switch", "Merge")')))
    assert [["Switch", "Merge"]] == list(sets_of_ops(ast.parse('x = {"Switch": 1, "Merge": 2}')))
    assert [] == list(sets_of_ops(ast.parse('x = ("then_branch", "else_branch")')))


def test_what_is_computed_is_in_the_table() -> None:
    """An op that one module dispatches on is one that the table knows as such, or that is ranked."""
    assert ops.FOLDABLE_OPS >= evaluate._ELEMENTWISE.keys() | evaluate._LIKE.keys()
    assert all(map(is_tensorflow_op, candidates._OP_POINTS))
