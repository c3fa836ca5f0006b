"""Models that are many of one thing: 200 to 299. The work must be linear in how many there are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from checkpoint.bundle_writer import Stored, table_bytes, write_bundle
from hostile.case import Case, Model, graph_only
from hostile.cases_budget import FLOAT, RESOURCE, function, graph, neg, node, type_of, x
from tffreeze_server.checkpoint.ordered_code import part_key
from tffreeze_server.errors import Reason
from tffreeze_server.options import FreezeOptions
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue
from tffreeze_server.tfproto.checkpoint_pb2 import SavedTensorSlices
from tffreeze_server.tfproto.graph_pb2 import NodeDef
from tffreeze_server.tfproto.op_def_pb2 import OpDef
from tffreeze_server.tfproto.tensor_pb2 import DT_STRING

ONE = b"\0\0\x80?"
"""A float."""


def string_constant(name: str, *strings: str) -> NodeDef:
    """A vector of strings."""
    made = node(name, "Const", dtype=type_of(DT_STRING))
    made.attr["value"].tensor.dtype = DT_STRING
    made.attr["value"].tensor.tensor_shape.dim.add(size=len(strings))
    made.attr["value"].tensor.string_val.extend(string.encode() for string in strings)
    return made


def shape(*sizes: int) -> AttrValue:
    """The value of an attribute that is a shape."""
    value = AttrValue()
    value.shape.SetInParent()
    for size in sizes:
        value.shape.dim.add(size=size)
    return value


def ref(name: str, *sizes: int) -> NodeDef:
    """A ref variable."""
    return node(name, "VariableV2", dtype=type_of(), shape=shape(*sizes))


def handle(name: str, shared_name: str = "") -> NodeDef:
    """A resource variable of one float."""
    return node(
        name,
        "VarHandleOp",
        dtype=type_of(),
        shape=shape(),
        shared_name=AttrValue(s=(shared_name or name).encode()),
    )


def read(name: str, variable: str, *waits: str) -> NodeDef:
    """A read of a resource variable."""
    return node(name, "ReadVariableOp", variable, *waits, dtype=type_of())


def added(names: Iterable[str]) -> NodeDef:
    """The sum of floats."""
    names = list(names)
    return node("y", "AddN", *names, N=AttrValue(i=len(names)), T=type_of())


def with_bundle(model: Model, tensors: list[Stored]) -> Model:
    """The model with a checkpoint of these tensors."""
    with tempfile.TemporaryDirectory() as folder:
        write_bundle(Path(folder) / "m", tensors)
        files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    return Model({**model.files, **files}, model.options, checkpoint="m")


def long_names(n: int) -> Model:
    """N nodes with names of 194 characters, and an output that is none of them."""
    names = ["ab" * 94 + f"{k:06d}" for k in range(n)]
    return graph_only(graph(neg(name, "x") for name in names), "ba" * 97)


def partitioned(n: int) -> Model:
    """A ref variable in n parts, each found by its name."""
    parts = [ref(f"v/part_{k}", 1) for k in range(n)]
    reads = [node(f"r{k}", "Identity", f"v/part_{k}", T=type_of()) for k in range(n)]
    stored = [Stored("v", FLOAT, (n,), ONE, extents=((k, 1),)) for k in range(n)]
    made = graph_only(graph([*parts, *reads, added(f"r{k}" for k in range(n))]), "y")
    return with_bundle(made, stored)


def parts_restored(n: int) -> Model:
    """The same, restored by a saver that names each slice."""
    parts = [ref(f"p{k}", 1) for k in range(n)]
    reads = [node(f"r{k}", "Identity", f"p{k}", T=type_of()) for k in range(n)]
    slices = [f"{n} {k},1" for k in range(n)]
    restore = node("save/r", "RestoreV2", "save/f", "save/n", "save/s")
    restore.attr["dtypes"].list.type.extend([FLOAT] * n)  # type: ignore[list-item]  # enums are ints
    nodes = [
        string_constant("save/f", "model"),
        string_constant("save/n", *["v"] * n),
        string_constant("save/s", *slices),
        restore,
    ]
    outputs = ["save/r" if k == 0 else f"save/r:{k}" for k in range(n)]
    nodes += [node(f"save/a{k}", "Assign", f"p{k}", outputs[k], T=type_of()) for k in range(n)]
    nodes.append(node("save/restore_all", "NoOp", *(f"^save/a{k}" for k in range(n))))
    stored = [Stored("v", FLOAT, (n,), ONE, extents=((k, 1),)) for k in range(n)]
    made = graph_only(graph([*parts, *reads, *nodes, added(f"r{k}" for k in range(n))]), "y")
    return with_bundle(made, stored)


def long_way_to_restore(n: int) -> Model:
    """N variables, each restored through one more Identity than the one before, by file names alike."""
    variables = [ref(f"v{k}") for k in range(n)]
    reads = [node(f"r{k}", "Identity", f"v{k}", T=type_of()) for k in range(n)]
    files = [
        node(f"save/f{k}", "Identity", f"save/f{k - 1}" if k else "save/f", T=type_of(DT_STRING))
        for k in range(n)
    ]
    ops = []
    for k in range(n):
        restore = node(f"save/r{k}", "RestoreV2", f"save/f{k}", "save/n", "save/s")
        restore.attr["dtypes"].list.type.append(FLOAT)  # type: ignore[arg-type]
        ops.append(restore)
        ops.append(node(f"save/i{k}", "Identity", f"save/i{k - 1}" if k else "save/r0", T=type_of()))
        ops.append(node(f"save/a{k}", "Assign", f"v{k}", f"save/i{k}", T=type_of()))
        ops.append(node(f"save/b{k}", "Assign", f"v{k}", f"save/r{k}", T=type_of()))
    waits = [f"^save/{op}{k}" for k in range(n) for op in "ab"]
    constants = [
        string_constant("save/f", "m"),
        string_constant("save/n", "v"),
        string_constant("save/s", ""),
    ]
    nodes = [*constants, *files, *ops, node("save/restore_all", "NoOp", *waits)]
    made = graph_only(graph([*variables, *reads, *nodes, added(f"r{k}" for k in range(n))]), "y")
    return with_bundle(made, [Stored("v", FLOAT, (), ONE)])


def reads_that_wait(n: int) -> Model:
    """N reads of a variable, each of which waits for the one before and for a node of its own."""
    nodes = [x(), handle("v")]
    for k in range(n):
        nodes += [neg(f"a{k}", "x"), read(f"r{k}", "v", *([f"^r{k - 1}"] if k else []), f"^a{k}")]
    waiting = [node(f"w{k}", "Neg", "x", f"^r{k}", T=type_of()) for k in range(n)]
    return graph_only(graph([*nodes, *waiting, added(f"w{k}" for k in range(n))]), "y")


def specialised(n: int) -> Model:
    """N calls with a variable of a function that is not inlined, each with another attribute."""
    body = function("f", [read("r", "h")], "r:value:0", _noinline=AttrValue(b=True))
    body.signature.input_arg[0].name = "h"
    body.signature.input_arg[0].type = RESOURCE  # type: ignore[assignment]
    body.signature.attr.append(OpDef.AttrDef(name="k", type="int"))
    calls = [node(f"c{k}", "f", "v", k=AttrValue(i=k)) for k in range(n)]
    made = graph_only(graph([handle("v"), *calls, added(f"c{k}" for k in range(n))], [body]), "y")
    return with_bundle(made, [Stored("v", FLOAT, (), ONE)])


def kept_writes(n: int) -> Model:
    """A call with n writes to a variable that stays, each through one more Identity."""
    nodes = [handle("h", "kept")]
    for k in range(n):
        before = f"i{k - 1}:output:0" if k else "h:resource:0"
        nodes.append(node(f"i{k}", "Identity", before, T=type_of(RESOURCE)))
        nodes.append(node(f"w{k}", "AssignVariableOp", f"i{k}:output:0", "a", dtype=type_of()))
    nodes.append(node("n", "Neg", "a", *(f"^w{k}" for k in range(n)), T=type_of()))
    body = function("f", nodes, "n:y:0")
    return graph_only(graph([x(), node("y", "f", "x")], [body]), "y", deny=("kept",))


def one_variable(n: int) -> Model:
    """N handles of one variable, each set by the loader and read."""
    handles = [handle(f"h{k}", "v") for k in range(n)]
    value = node("k", "Const", dtype=type_of())
    value.attr["value"].tensor.dtype = FLOAT  # type: ignore[assignment]
    value.attr["value"].tensor.tensor_shape.SetInParent()
    value.attr["value"].tensor.float_val.append(1.0)
    sets = [node(f"s{k}", "AssignVariableOp", f"h{k}", "k", dtype=type_of()) for k in range(n)]
    reads = [read(f"r{k}", f"h{k}") for k in range(n)]
    run = node("init", "NoOp", *(f"^s{k}" for k in range(n)))
    nodes = [value, *handles, *sets, *reads, run, added(f"r{k}" for k in range(n))]
    return graph_only(graph(nodes), "y", initializer_nodes=("init",))


def random_values(n: int) -> Model:
    """N variables that a loader sets to random numbers, each made of those before; the checkpoint has them too."""
    size = node("d", "Const", dtype=type_of(3))
    size.attr["value"].tensor.dtype = 3  # type: ignore[assignment]
    size.attr["value"].tensor.tensor_shape.dim.add(size=0)
    nodes = [size, node("i", "RandomUniform", "d", dtype=type_of(), T=type_of(3))]
    for k in range(n):
        nodes += [neg(f"i{k}", f"i{k - 1}" if k else "i"), handle(f"v{k}")]
        nodes += [
            node(f"s{k}", "AssignVariableOp", f"v{k}", f"i{k}", dtype=type_of()),
            read(f"r{k}", f"v{k}"),
        ]
    run = node("init", "NoOp", *(f"^s{k}" for k in range(n)))
    made = graph_only(
        graph([*nodes, run, added(f"r{k}" for k in range(n))]), "y", initializer_nodes=("init",)
    )
    return with_bundle(made, [Stored(f"v{k}", FLOAT, (), ONE) for k in range(n)])


def many_cuts(n: int) -> Model:
    """A graph of n nodes of two outputs, cut at all of them."""
    names = ["x", *(f"u{k}" for k in range(n))]
    splits = [node(f"u{k}", "Unique", names[k], T=type_of(), out_idx=type_of(3)) for k in range(n)]
    reads = [neg(f"r{k}", f"u{k}") for k in range(n)]
    cuts = tuple(f"u{k}:0" for k in range(n))
    return graph_only(graph([x(), *splits, *reads, added(f"r{k}" for k in range(n))]), "y", input_nodes=cuts)


def long_lists(n: int) -> Model:
    """N variables, all of them on the deny-list."""
    nodes = [node for k in range(n) for node in (handle(f"v{k}"), read(f"r{k}", f"v{k}"))]
    denied = tuple(f"v{k}" for k in range(n))
    return graph_only(graph([*nodes, added(f"r{k}" for k in range(n))]), "y", deny=denied)


def saver_around(n: int) -> Model:
    """N functions that each call the next, the last of which saves; an output that is none of the saver's."""
    functions = [function(f"f{k}", [node("c", f"f{k + 1}", "a")], "c:o0:0") for k in range(n)]
    save = node("s", "SaveV2", "a", "a", "a")
    functions.append(function(f"f{n}", [neg("n", "a"), save], "n:y:0"))
    calls = [node(f"c{k}", f"f{k}", "x") for k in range(n)]
    return graph_only(graph([x(), *calls, neg("y", "x")], functions), "y")


def values_of_a_block(n: int) -> Model:
    """N variables in a V1 checkpoint that is one block."""
    meta = SavedTensorSlices()
    values = {b"": b""}
    for k in range(n):
        meta.meta.tensor.add(name=f"v{k}", type=FLOAT, slice=[{}]).shape.SetInParent()
        saved = SavedTensorSlices()
        saved.data.data.float_val.append(1.0)
        values[part_key(f"v{k}".encode(), ())] = saved.SerializeToString()
    values[b""] = meta.SerializeToString()
    made = long_lists(n)
    files = {**made.files, "m.ckpt": table_bytes(sorted(values.items()), entries_per_block=n + 1)}
    return Model(files, FreezeOptions(output_nodes=("y",)), checkpoint="m.ckpt")


CASES = (
    Case(200, long_names, Reason.OUTPUT_NOT_FOUND, size=4_500),
    Case(201, partitioned, None, size=2_000),
    Case(202, parts_restored, None, size=2_000),
    Case(203, long_way_to_restore, None, size=2_000),
    Case(204, reads_that_wait, None, size=9_000),
    Case(205, specialised, None, size=8_000),
    Case(206, kept_writes, None, size=5_000),
    Case(207, one_variable, None, size=4_000),
    Case(208, random_values, None, size=4_000),
    Case(209, many_cuts, None, size=4_000),
    Case(210, long_lists, None, size=10_000),
    Case(211, saver_around, None, size=4_000),
    Case(212, values_of_a_block, None, size=4_000),
)
