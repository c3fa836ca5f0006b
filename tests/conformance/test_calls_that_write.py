"""A call runs whole: what its body writes is seen by what runs after it, and never lost by freezing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from conformance.harness import Frozen, freeze_file, run, session_of, tf, tf1
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.freeze import freeze
from tffreeze_server.options import FreezeOptions, ModelSource

pytestmark = pytest.mark.tensorflow
function = pytest.importorskip("tensorflow.python.framework.function")

FLOATS = 'attr { key: "dtype" value { type: DT_FLOAT } }'
T = 'attr { key: "T" value { type: DT_FLOAT } }'
NOINLINE = 'attr { key: "_noinline" value { b: true } }'
DONE = 'control_ret { key: "done" value: "assign" }'


def signature(name: str, *, done: bool = False) -> str:
    """A function of a float and a handle that gives a float."""
    control = 'control_output: "done"' if done else ""
    return (
        f'signature {{ name: "{name}" input_arg {{ name: "a" type: DT_FLOAT }} input_arg {{ name: "h" type: '
        f'DT_RESOURCE }} output_arg {{ name: "r" type: DT_FLOAT }} {control} is_stateful: true }}'
    )


def writer(name: str, *, read: bool = False, mark: str = "", done: bool = True) -> str:
    """A function that sets the variable to `a + a`, and gives `a`, or what the variable was."""
    result = "read:value:0" if read else "a"
    return f"""function {{ {signature(name, done=done)} {mark}
      node_def {{ name: "read" op: "ReadVariableOp" input: "h" {FLOATS} }}
      node_def {{ name: "twice" op: "AddV2" input: "a" input: "a" {T} }}
      node_def {{ name: "assign" op: "AssignVariableOp" input: "h" input: "twice:z:0" input: "^read" {FLOATS} }}
      ret {{ key: "r" value: "{result}" }} {DONE if done else ""} }}"""


def reader(name: str, first: str = "a") -> str:
    """A function that gives `a`, or twice the variable, plus the variable."""
    return f"""function {{ {signature(name)}
      node_def {{ name: "read" op: "ReadVariableOp" input: "h" {FLOATS} }}
      node_def {{ name: "sum" op: "AddV2" input: "{first}" input: "read:value:0" {T} }}
      ret {{ key: "r" value: "sum:z:0" }} }}"""


def both(name: str, first: str, second: str) -> str:
    """A function that calls one, then the other with its result."""
    return f"""function {{ {signature(name)}
      {call("one", first, "a", "h", "node_def")} {call("two", second, "one:output:0", "h", "node_def")}
      ret {{ key: "r" value: "two:output:0" }} }}"""


def branching(name: str) -> str:
    """A function that runs `f` in a branch, and gives `a`."""
    return f"""function {{ {signature(name, done=True)}
      node_def {{ name: "yes" op: "Const" attr {{ key: "dtype" value {{ type: DT_BOOL }} }}
        attr {{ key: "value" value {{ tensor {{ dtype: DT_BOOL tensor_shape {{}} bool_val: true }} }} }} }}
      node_def {{ name: "assign" op: "If" input: "yes:output:0" input: "a" input: "h"
        attr {{ key: "Tcond" value {{ type: DT_BOOL }} }}
        attr {{ key: "Tin" value {{ list {{ type: DT_FLOAT type: DT_RESOURCE }} }} }}
        attr {{ key: "Tout" value {{ list {{ type: DT_FLOAT }} }} }}
        attr {{ key: "then_branch" value {{ func {{ name: "f" }} }} }}
        attr {{ key: "else_branch" value {{ func {{ name: "g" }} }} }} }}
      ret {{ key: "r" value: "a" }} {DONE} }}"""


def looping(name: str) -> str:
    """A function that runs a body that writes in a loop, once, and gives `a`."""
    return f"""function {{ {signature(name, done=True)}
      node_def {{ name: "assign" op: "While" input: "a" input: "h"
        attr {{ key: "T" value {{ list {{ type: DT_FLOAT type: DT_RESOURCE }} }} }}
        attr {{ key: "cond" value {{ func {{ name: "first" }} }} }}
        attr {{ key: "body" value {{ func {{ name: "step" }} }} }} }}
      ret {{ key: "r" value: "a" }} {DONE} }}
    function {{ signature {{ name: "first" input_arg {{ name: "a" type: DT_FLOAT }}
      input_arg {{ name: "h" type: DT_RESOURCE }} output_arg {{ name: "r" type: DT_BOOL }} }}
      node_def {{ name: "four" op: "Const" {FLOATS} attr {{ key: "value" value {{ tensor {{ dtype: DT_FLOAT
        tensor_shape {{}} float_val: 4 }} }} }} }}
      node_def {{ name: "less" op: "Less" input: "a" input: "four:output:0" {T} }}
      ret {{ key: "r" value: "less:z:0" }} }}
    function {{ signature {{ name: "step" input_arg {{ name: "a" type: DT_FLOAT }}
      input_arg {{ name: "h" type: DT_RESOURCE }} output_arg {{ name: "r" type: DT_FLOAT }}
      output_arg {{ name: "s" type: DT_RESOURCE }} control_output: "done" }}
      node_def {{ name: "twice" op: "AddV2" input: "a" input: "a" {T} }}
      node_def {{ name: "assign" op: "AssignVariableOp" input: "h" input: "twice:z:0" {FLOATS} }}
      ret {{ key: "r" value: "twice:z:0" }} ret {{ key: "s" value: "h" }} {DONE} }}"""


def call(name: str, of: str, a: str, handle: str, kind: str = "node") -> str:
    """A call of a function."""
    return f"""{kind} {{ name: "{name}" op: "StatefulPartitionedCall" input: "{a}" input: "{handle}"
      attr {{ key: "Tin" value {{ list {{ type: DT_FLOAT type: DT_RESOURCE }} }} }}
      attr {{ key: "Tout" value {{ list {{ type: DT_FLOAT }} }} }}
      attr {{ key: "f" value {{ func {{ name: "{of}" }} }} }} }}"""


def variable(name: str) -> str:
    """A variable of the graph."""
    return f"""node {{ name: "{name}" op: "VarHandleOp" {FLOATS} attr {{ key: "shape" value {{ shape {{}} }} }}
      attr {{ key: "shared_name" value {{ s: "{name}" }} }} }}"""


X = f'node {{ name: "x" op: "Placeholder" {FLOATS} attr {{ key: "shape" value {{ shape {{}} }} }} }}'


@dataclass(frozen=True)
class Saved:
    """A model on disk, and what TensorFlow gives for y where x is 3 and each variable is 1."""

    source: ModelSource
    y: float


def save(folder: Path, *parts: str) -> Saved:
    """Save a graph of variables v and w with its checkpoint, and run it."""
    text = "".join((X, variable("v"), variable("w"), *parts)) + "versions { producer: 1882 }"
    with tf.Graph().as_default(), tf1.Session() as session:
        for name in "vw":
            tf1.get_variable(name, initializer=1.0, use_resource=True)
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver().save(session, str(folder / "ck"), write_meta_graph=False)
        tf.import_graph_def(text_format.Parse(text, tf1.GraphDef()), name="m")
        (folder / "model.pbtxt").write_text(text)
        y = float(session.run("m/y:0", {"m/x:0": 3.0}))
    return Saved(ModelSource(folder / "model.pbtxt", checkpoint=folder / "ck"), y)


def frozen_y(saved: Saved, folder: Path, **options: Any) -> tuple[Frozen, float]:
    """The frozen graph and what it gives; variables that stay are 1."""
    frozen = freeze_file(saved.source, folder / "frozen.pb", FreezeOptions(output_nodes=("y",), **options))
    with session_of(frozen) as session:
        for name in frozen.report.kept_variables:
            handle = session.graph.get_tensor_by_name(f"{name}:0")
            session.run(tf.raw_ops.AssignVariableOp(resource=handle, value=1.0))
        return frozen, float(session.run("y:0", {"x:0": 3.0}))


LOST = {
    "read after a call that writes": [
        writer("f"),
        reader("g"),
        call("c", "f", "x", "v"),
        call("y", "g", "c", "v"),
    ],
    "a reader that uses no result": [
        writer("f"),
        reader("g", "read:value:0"),
        call("c", "f", "x", "v"),
        call("y", "g", "c", "v"),
    ],
    "no control result": [
        writer("f", done=False),
        reader("g", "read:value:0"),
        call("c", "f", "x", "v"),
        call("y", "g", "c", "v"),
    ],
    "calls in a call": [
        writer("f"),
        reader("g"),
        both("fg", "f", "g"),
        call("y", "fg", "x", "v"),
    ],
    "a body that stays": [
        writer("f"),
        reader("g"),
        both("fg", "f", "g").replace("is_stateful: true }", f"is_stateful: true }} {NOINLINE}", 1),
        call("y", "fg", "x", "v"),
    ],
    "a writer that stays": [
        writer("f", mark=NOINLINE),
        reader("g"),
        call("c", "f", "x", "v"),
        call("y", "g", "c", "v"),
    ],
    "a read outside of calls": [
        writer("f"),
        call("c", "f", "x", "v"),
        f'node {{ name: "r" op: "ReadVariableOp" input: "v" input: "^c" {FLOATS} }}',
        f'node {{ name: "y" op: "AddV2" input: "c" input: "r" {T} }}',
    ],
    "a branch that writes": [
        writer("f"),
        reader("g"),
        branching("b"),
        call("c", "b", "x", "v"),
        call("y", "g", "c", "v"),
    ],
    "a loop that writes": [
        looping("b"),
        reader("g"),
        call("c", "b", "x", "v"),
        call("y", "g", "c", "v"),
    ],
    "a handle through another op": [
        writer("f"),
        reader("g"),
        'node { name: "h" op: "Identity" input: "v" attr { key: "T" value { type: DT_RESOURCE } } }',
        call("c", "f", "x", "h"),
        call("y", "g", "c", "v"),
    ],
}


@pytest.mark.parametrize("parts", LOST.values(), ids=LOST.keys())
def test_a_write_that_is_read_is_an_error(parts: list[str], tmp_path: Path) -> None:
    """The value that the reader has is that after the write; a frozen variable cannot be written: an error says so."""
    saved = save(tmp_path, writer_library(parts))

    with pytest.raises(FreezeError) as caught:
        freeze(saved.source, FreezeOptions(output_nodes=("y",)))

    assert (Reason.REACHABLE_WRITE, "v") == (caught.value.reason, caught.value.subject)
    assert "'y' ← " in caught.value.message


@pytest.mark.parametrize("parts", [v for k, v in LOST.items() if k != "no control result"])
def test_a_write_to_a_variable_that_stays_is_seen(parts: list[str], tmp_path: Path) -> None:
    """With the variable on the deny-list, the frozen graph gives what the model gives, write and all."""
    saved = save(tmp_path, writer_library(parts))

    _, y = frozen_y(saved, tmp_path, deny=("v",))

    assert saved.y == y != 4.0


def test_a_write_that_nothing_sees_is_dropped(tmp_path: Path) -> None:
    """A counter that no output reads goes, with a warning; what else the call gives is right."""
    parts = [writer("f"), reader("g"), call("c", "f", "x", "w"), call("y", "g", "c", "v")]
    saved = save(tmp_path, writer_library(parts))

    frozen, y = frozen_y(saved, tmp_path)

    assert saved.y == y == 4.0
    assert ["c/assign"] == [w.subject for w in frozen.report.warnings if w.code == "SIDE_EFFECT_DROPPED"]
    assert ["v"] == [v.name for v in frozen.report.variables]


def test_a_write_beside_a_variable_that_stays(tmp_path: Path) -> None:
    """Another variable on the deny-list changes nothing for a counter that no output reads."""
    parts = [writer("f"), reader("g"), call("c", "f", "x", "w"), call("y", "g", "c", "v")]
    saved = save(tmp_path, writer_library(parts))

    frozen, y = frozen_y(saved, tmp_path, deny=("v",))

    assert saved.y == y
    assert not frozen.graph.library.function


def test_a_tensor_inside_of_a_call_that_writes(tmp_path: Path) -> None:
    """Who asks for a tensor inside of a call does not run the rest of the call: its write is none of theirs."""
    saved = save(
        tmp_path, writer_library([writer("y", read=True), call("c", "y", "x", "v")]).replace('"c"', '"y"')
    )

    frozen = freeze_file(saved.source, tmp_path / "f.pb", FreezeOptions(output_nodes=("y/read",)))

    assert {"y/read:0": 1.0} == run(frozen, {"x:0": 3.0}, ["y/read:0"])
    assert "SIDE_EFFECT_DROPPED" in {w.code for w in frozen.report.warnings}


def test_a_plain_call_is_refused_too(tmp_path: Path) -> None:
    """TensorFlow gives either value for a PartitionedCall, depending on its optimizers: there is no right one."""
    parts = writer_library(LOST["read after a call that writes"])
    saved = save(tmp_path, parts.replace("StatefulPartitionedCall", "PartitionedCall"))

    with pytest.raises(FreezeError) as caught:
        freeze(saved.source, FreezeOptions(output_nodes=("y",)))

    assert Reason.REACHABLE_WRITE is caught.value.reason


@pytest.mark.parametrize("result", [lambda a, r: a + r, lambda a, r: r + r], ids=["used", "unused"])
def test_a_function_of_tensorflow_1(result: Callable[[Any, Any], Any], tmp_path: Path) -> None:
    """A Defun has no control results, and yet writes before its results are there."""
    with tf.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, (), "x")
        v = tf1.get_variable("v", initializer=1.0, use_resource=True)

        @function.Defun(tf.float32, tf.resource)
        def write(a: Any, handle: Any) -> Any:
            tf.raw_ops.AssignVariableOp(resource=handle, value=2.0 * a)
            return a

        @function.Defun(tf.float32, tf.resource)
        def read(a: Any, handle: Any) -> Any:
            return result(a, tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32))

        tf.identity(read(write(x, v.handle), v.handle), name="y")
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver().save(session, str(tmp_path / "model"))
        expected = float(session.run("y:0", {x: 3.0}))
    source = ModelSource(tmp_path / "model.meta", checkpoint=tmp_path / "model")

    with pytest.raises(FreezeError) as caught:
        freeze(source, FreezeOptions(output_nodes=("y",)))

    assert Reason.REACHABLE_WRITE is caught.value.reason
    assert expected == frozen_y(Saved(source, expected), tmp_path, deny=("v",))[1]


def test_an_insertion_into_a_table_is_seen(tmp_path: Path) -> None:
    """A table stays what it is: the call that fills it stays a call, and a lookup after it finds what it inserted."""
    with tf.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, (), "x")
        table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.float32, -1.0, name="table")

        @function.Defun(tf.float32, tf.resource)
        def insert(a: Any, handle: Any) -> Any:
            tf.raw_ops.LookupTableInsertV2(table_handle=handle, keys=tf.constant(7, tf.int64), values=2.0 * a)
            return a

        @function.Defun(tf.float32, tf.resource)
        def find(a: Any, handle: Any) -> Any:
            return a + tf.raw_ops.LookupTableFindV2(
                table_handle=handle, keys=tf.constant(7, tf.int64), default_value=-1.0
            )

        handle = table.resource_handle
        tf.identity(find(insert(x, handle), handle), name="y")
        (tmp_path / "model.pb").write_bytes(session.graph.as_graph_def().SerializeToString())
        expected = float(session.run("y:0", {x: 3.0}))

    saved = Saved(ModelSource(tmp_path / "model.pb"), expected)

    assert 9.0 == expected == frozen_y(saved, tmp_path)[1]


def writer_library(parts: list[str]) -> str:
    """The functions in a library, the nodes beside it."""
    functions = "".join(part for part in parts if part.startswith("function"))
    return f"library {{ {functions} }}" + "".join(part for part in parts if not part.startswith("function"))
