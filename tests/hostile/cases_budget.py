"""Models that expand: 100 to 199."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import replace

import cramjam

from checkpoint.bundle_writer import (
    Stored,
    records_of,
    strings_stored,
    table_bytes,
    table_of_blocks,
    varint,
    with_trailer,
)
from hostile.case import GRAPH_FILE, Case, Model, graph_only
from tffreeze_server.errors import Reason
from tffreeze_server.options import FreezeOptions
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue, NameAttrList
from tffreeze_server.tfproto.checkpoint_pb2 import BundleEntryProto, BundleHeaderProto
from tffreeze_server.tfproto.graph_pb2 import FunctionDef, GraphDef, NodeDef
from tffreeze_server.tfproto.op_def_pb2 import OpDef
from tffreeze_server.tfproto.saved_model_pb2 import SavedModel

TOO_COMPLEX = Reason.MODEL_TOO_COMPLEX
FLOAT, INT32, INT64, RESOURCE, STRING = 1, 3, 9, 20, 7


def node(name: str, op: str, *inputs: str, **attrs: AttrValue) -> NodeDef:
    """A node."""
    return NodeDef(name=name, op=op, input=inputs, attr=attrs)


def type_of(number: int = FLOAT) -> AttrValue:
    """The value of an attribute that is a type."""
    return AttrValue(type=number)  # type: ignore[arg-type]  # the enum is open


def with_checkpoint(model: Model, tensors: Sequence[Stored]) -> Model:
    """The model with a checkpoint of these tensors."""
    records, shards = records_of(tensors)
    entries = [(b"", BundleHeaderProto(num_shards=1).SerializeToString())]
    entries += [(key, records[key].SerializeToString()) for key in sorted(records)]
    files = {"m.index": table_bytes(entries, entries_per_block=1000), "m.data-00000-of-00001": shards[0]}
    return replace(model, files={**model.files, **files}, checkpoint="m")


def neg(name: str, *inputs: str) -> NodeDef:
    """A node of one float."""
    return node(name, "Neg", *inputs, T=type_of())


def x() -> NodeDef:
    """The input."""
    return node("x", "Placeholder", dtype=type_of())


def function(name: str, nodes: Iterable[NodeDef], *results: str, **attrs: AttrValue) -> FunctionDef:
    """A function of a float `a` that gives floats."""
    made = FunctionDef(node_def=nodes, attr=attrs)
    made.signature.name = name
    made.signature.input_arg.add(name="a", type=FLOAT)  # type: ignore[arg-type]
    for k, result in enumerate(results):
        made.signature.output_arg.add(name=f"o{k}", type=FLOAT)  # type: ignore[arg-type]
        made.ret[f"o{k}"] = result
    return made


def graph(nodes: Iterable[NodeDef], functions: Iterable[FunctionDef] = ()) -> GraphDef:
    """A graph."""
    made = GraphDef(node=nodes)
    made.library.function.extend(functions)
    return made


def doubling(levels: int, prefix: str = "f", name: str = "b") -> list[FunctionDef]:
    """Functions that each call the next twice."""
    calls = [
        function(
            f"{prefix}{k}",
            [node(name, f"{prefix}{k + 1}", "a"), node("c", f"{prefix}{k + 1}", f"{name}:o0:0")],
            "c:o0:0",
        )
        for k in range(levels)
    ]
    return [*calls, function(f"{prefix}{levels}", [neg("n", "a")], "n:y:0")]


def doubled_calls(n: int) -> Model:
    """N levels of functions that each call the next twice."""
    return graph_only(graph([x(), node("y", "f0", "x")], doubling(n)), "y")


def long_doubled_calls(n: int) -> Model:
    """Twelve such levels, each with a name of n characters."""
    return graph_only(graph([x(), node("y", "f0", "x")], doubling(12, name="b" * n)), "y")


def kept_bodies(n: int) -> Model:
    """N functions that stay functions and each inline 2^12 calls."""
    no = AttrValue(b=True)
    kept = [function(f"k{k}", [node("m", "f0", "a")], "m:o0:0", _noinline=no) for k in range(n)]
    nodes = [x(), node("v", "VarHandleOp", dtype=type_of(), shape=AttrValue())]
    nodes += [node(f"c{k}", f"k{k}", f"c{k - 1}" if k else "x") for k in range(n)]
    nodes.append(neg("y", f"c{n - 1}"))
    functions = [*kept, *doubling(12)]
    # A variable in the innermost body: each function is made anew.
    own = AttrValue(s=b"h")
    functions[-1].node_def.append(
        node("h", "VarHandleOp", dtype=type_of(), shape=AttrValue(), shared_name=own)
    )
    functions[-1].node_def.append(node("r", "ReadVariableOp", "h:resource:0", dtype=type_of()))
    functions[-1].ret["o0"] = "r:value:0"
    made = graph_only(graph(nodes, functions), "y")
    return with_checkpoint(made, [Stored("h", FLOAT, (), b"1234")])


def many_results(n: int) -> Model:
    """N calls of a function with n results."""
    many = function("f", [neg("n", "a")], *(["n:y:0"] * n))
    calls = [node(f"c{k}", "f", f"c{k - 1}" if k else "x") for k in range(n)]
    return graph_only(graph([x(), *calls, neg("y", f"c{n - 1}:{n - 1}")], [many]), "y")


def many_waits(n: int) -> Model:
    """A call that waits for n nodes, of a function of n nodes that wait for nothing else."""
    body = function("f", [neg(f"n{k}", "a") for k in range(n)], f"n{n - 1}:y:0")
    for k in range(n - 1):
        body.node_def[n - 1].input.append(f"^n{k}")
    waits = [neg(f"w{k}", "x") for k in range(n)]
    call = node("c", "f", "x", *(f"^w{k}" for k in range(n)))
    return graph_only(graph([x(), *waits, call, neg("y", "c")], [body]), "y")


def placed_constants(n: int) -> Model:
    """N calls, each on a device of its own, of a function with a constant of 10 n bytes."""
    constant = node("k", "Const", dtype=type_of(STRING))
    constant.attr["value"].tensor.dtype = STRING  # type: ignore[assignment]
    constant.attr["value"].tensor.tensor_shape.SetInParent()
    constant.attr["value"].tensor.string_val.append(b"k" * 10 * n)
    constant.attr["value"].SetInParent()
    body = function("f", [constant, node("n", "Neg", "a", "^k", T=type_of())], "n:y:0")
    calls = [node(f"c{k}", "f", f"c{k - 1}" if k else "x") for k in range(n)]
    for k, call in enumerate(calls):
        call.device = f"/job:w/task:{k}"
    return graph_only(graph([x(), *calls, neg("y", f"c{n - 1}")], [body]), "y")


def doubled_attributes(n: int) -> Model:
    """N functions that each hand a function to the next, which holds the one they were given twice."""
    twice = AttrValue(func=NameAttrList(name="g"))
    for key in ("p", "q"):
        twice.func.attr[key].placeholder = "F"
    functions = []
    for k in range(n):
        call = node("c", f"f{k + 1}", "a", F=twice)
        functions.append(function(f"f{k}", [call], "c:o0:0"))
    functions.append(function(f"f{n}", [neg("n", "a")], "n:y:0"))
    for each in functions:
        each.signature.attr.append(OpDef.AttrDef(name="F", type="func"))
    start = AttrValue(func=NameAttrList(name="g"))
    return graph_only(graph([x(), node("y", "f0", "x", F=start)], functions), "y")


def outputs(n: int) -> Model:
    """One node with n outputs."""
    many = node("many", "Split", "x", num_split=AttrValue(i=n), T=type_of())
    return graph_only(graph([x(), many]), "many")


def empty_nodes(n: int) -> Model:
    """N nodes that say nothing."""
    return Model({GRAPH_FILE: b"\x0a\x00" * n}, FreezeOptions(output_nodes=("y",)))


def index(blocks: list[bytes], *, snappy: bool = False) -> bytes:
    """An index of these blocks, and a block with its header."""
    header = BundleHeaderProto(num_shards=1).SerializeToString()
    first = b"\0\0" + varint(len(header)) + header + b"\0\0\0\0\1\0\0\0"
    done = [(b"", with_trailer(first))]
    for k, block in enumerate(blocks):
        packed = bytes(cramjam.snappy.compress_raw(block)) if snappy else block
        done.append((b"\xff" * (k + 1), with_trailer(packed, 1 if snappy else 0)))
    return table_of_blocks(done)


def growing_keys(n: int, step: bytes) -> bytes:
    """A block of n keys, each the one before and `step`."""
    value = BundleEntryProto(dtype=FLOAT).SerializeToString()  # type: ignore[arg-type]
    block = bytearray()
    for k in range(n):
        block += varint(k * len(step)) + varint(len(step)) + varint(len(value)) + step + value
    return bytes(block) + b"\0\0\0\0\1\0\0\0"


def with_index(content: bytes) -> Model:
    """The checkpoint of a graph of one variable."""
    nodes = [
        node("v", "VarHandleOp", dtype=type_of(), shape=AttrValue()),
        node("y", "ReadVariableOp", "v", dtype=type_of()),
    ]
    made = graph_only(graph(nodes), "y")
    files = {**made.files, "m.index": content, "m.data-00000-of-00001": b"1234"}
    return Model(files, made.options, checkpoint="m")


def extended_keys(n: int) -> Model:
    """An index of n keys that each extend the one before by 30 bytes."""
    return with_index(index([growing_keys(n, b"k" * 30)]))


def packed_keys(n: int) -> Model:
    """The same, compressed."""
    return with_index(index([growing_keys(n, b"k" * 30)], snappy=True))


def constant(name: str, count: int) -> NodeDef:
    """A float for all of `count` elements, of which two values are stated."""
    made = node(name, "Const", dtype=type_of())
    made.attr["value"].tensor.dtype = FLOAT  # type: ignore[assignment]
    made.attr["value"].tensor.tensor_shape.dim.add(size=count)
    made.attr["value"].tensor.float_val.extend((1.0, 2.0))
    return made


def initialised(nodes: Iterable[NodeDef], value: str) -> Model:
    """A variable that a loader sets to a computed value."""
    head = [
        node("v", "VarHandleOp", dtype=type_of(), shape=AttrValue()),
        node("y", "ReadVariableOp", "v", dtype=type_of()),
    ]
    head[0].attr["shape"].shape.unknown_rank = True
    assign = node("set", "AssignVariableOp", "v", value, dtype=type_of())
    return graph_only(graph([*head, assign, *nodes]), "y", initializer_nodes=("set",))


def packed_constants(n: int) -> Model:
    """An initializer that packs n constants of 100 n elements."""
    nodes = [constant(f"k{k}", 100 * n) for k in range(n)]
    pack = node("p", "Pack", *(f"k{k}" for k in range(n)), T=type_of(), N=AttrValue(i=n))
    return initialised([*nodes, pack], "p")


def added_constants(n: int) -> Model:
    """An initializer that adds tensors of 1000 n elements, sixty times."""
    adds = [node(f"s{k}", "AddV2", f"s{k - 1}" if k else "k", "k", T=type_of()) for k in range(60)]
    return initialised([constant("k", 1000 * n), *adds], "s59")


def many_arguments(n: int) -> Model:
    """A node of n outputs in a body, each of which is read."""
    split = node("s", "Split", "d:output:0", "a", num_split=AttrValue(i=n), T=type_of())
    axis = node("d", "Const", dtype=type_of(INT32))
    axis.attr["value"].tensor.dtype = INT32  # type: ignore[assignment]
    axis.attr["value"].tensor.tensor_shape.SetInParent()
    axis.attr["value"].tensor.int_val.append(0)
    add = node("t", "AddN", *(f"s:output:{k}" for k in range(n)), N=AttrValue(i=n), T=type_of())
    body = function("f", [axis, split, add], "t:sum:0")
    return graph_only(graph([x(), node("y", "f", "x")], [body]), "y")


def nested_attributes(n: int) -> Model:
    """N functions that each hand on the function they were given within another."""
    wrapped = AttrValue(func=NameAttrList(name="g"))
    wrapped.func.attr["p"].placeholder = "F"
    functions = [function(f"f{k}", [node("c", f"f{k + 1}", "a", F=wrapped)], "c:o0:0") for k in range(n)]
    functions.append(function(f"f{n}", [neg("n", "a")], "n:y:0"))
    for each in functions:
        each.signature.attr.append(OpDef.AttrDef(name="F", type="func"))
    start = AttrValue(func=NameAttrList(name="g"))
    return graph_only(graph([x(), node("y", "f0", "x", F=start)], functions), "y")


def handle(name: str, dtype: int = FLOAT) -> NodeDef:
    """A scalar variable of its name."""
    made = node(name, "VarHandleOp", dtype=type_of(dtype), shared_name=AttrValue(s=name.encode()))
    made.attr["shape"].shape.SetInParent()
    return made


HANDLES = 14


def made_bodies(n: int) -> Model:
    """N calls of a function of n nodes, each with variables of other types."""
    body = function("f", [neg(f"n{k}", f"n{k - 1}:y:0" if k else "a") for k in range(n)], f"n{n - 1}:y:0")
    body.attr["_noinline"].b = True
    for k in range(HANDLES):
        body.signature.input_arg.add(name=f"h{k}", type=RESOURCE)  # type: ignore[arg-type]
    nodes = [x()]
    for name, dtype in (("v0", FLOAT), ("v1", INT32)):
        nodes.append(
            node(
                name,
                "VarHandleOp",
                dtype=type_of(dtype),
                shape=AttrValue(),
                shared_name=AttrValue(s=name.encode()),
            )
        )
        nodes[-1].attr["shape"].shape.SetInParent()
    for k in range(n):
        handles = [f"v{k >> bit & 1}" for bit in range(HANDLES)]
        nodes.append(node(f"c{k}", "f", f"c{k - 1}" if k else "x", *handles))
    made = graph_only(graph([*nodes, neg("y", f"c{n - 1}")], [body]), "y")
    return with_checkpoint(made, [Stored("v0", FLOAT, (), b"1234"), Stored("v1", INT32, (), b"1234")])


def repeated_values(n: int) -> Model:
    """N functions that stay functions and each read a variable whose value of 10 n bytes is in the graph."""
    variable = node(
        "v", "VarHandleOp", dtype=type_of(STRING), shape=AttrValue(), shared_name=AttrValue(s=b"v")
    )
    variable.attr["shape"].shape.SetInParent()
    read = node("r", "ReadVariableOp", "v:resource:0", dtype=type_of(STRING))
    functions = [
        function(f"f{k}", [variable, read, node("n", "Neg", "a", "^r", T=type_of())], "n:y:0")
        for k in range(n)
    ]
    for each in functions:
        each.attr["_noinline"].b = True
    value = node("k", "Const", dtype=type_of(STRING))
    value.attr["value"].tensor.dtype = STRING  # type: ignore[assignment]
    value.attr["value"].tensor.tensor_shape.SetInParent()
    value.attr["value"].tensor.string_val.append(b"k" * 10 * n)
    assign = node("set", "AssignVariableOp", "v", "k", dtype=type_of(STRING))
    calls = [node(f"c{k}", f"f{k}", f"c{k - 1}" if k else "x") for k in range(n)]
    made = graph([x(), variable, value, assign, *calls, neg("y", f"c{n - 1}")], functions)
    return graph_only(made, "y", initializer_nodes=("set",))


def many_readers(n: int) -> Model:
    """N variables that a loader sets to what it reads of others, each at another place of a chain of n nodes."""
    nodes = [x()]
    for k in range(n):
        nodes.append(
            node(
                f"v{k}",
                "VarHandleOp",
                dtype=type_of(),
                shape=AttrValue(),
                shared_name=AttrValue(s=b"v%d" % k),
            )
        )
        nodes[-1].attr["shape"].shape.SetInParent()
        waits = (f"^s{k - 1}",) if k else ()
        nodes.append(node(f"i{k}", "ReadVariableOp", f"v{k - 1}" if k else "v0", *waits, dtype=type_of()))
        value = f"i{k}" if k else "k"
        nodes.append(node(f"s{k}", "AssignVariableOp", f"v{k}", value, *waits, dtype=type_of()))
        nodes.append(node(f"r{k}", "ReadVariableOp", f"v{k}", dtype=type_of()))
    start = constant("k", 1)
    start.attr["value"].tensor.ClearField("tensor_shape")
    start.attr["value"].tensor.tensor_shape.SetInParent()
    del start.attr["value"].tensor.float_val[1:]
    y = node("y", "AddN", *(f"r{k}" for k in range(n)), N=AttrValue(i=n), T=type_of())
    return graph_only(graph([start, *nodes, y]), "y", initializer_nodes=(f"s{n - 1}",))


def restoring(n: int, filenames: bool) -> Model:
    """N variables restored through a chain of n nodes: of the value, or of the file's name."""
    nodes = [node("file", "Placeholder", dtype=type_of(STRING))]
    chain = [
        node(f"i{k}", "Identity", f"i{k - 1}" if k else ("file" if filenames else "read"), T=type_of())
        for k in range(n)
    ]
    names = node("names", "Const", dtype=type_of(STRING))
    names.attr["value"].tensor.dtype = STRING  # type: ignore[assignment]
    names.attr["value"].tensor.tensor_shape.dim.add(size=1)
    slices = NodeDef()
    slices.CopyFrom(names)
    slices.name = "slices"
    names.attr["value"].tensor.string_val.append(b"k")
    slices.attr["value"].tensor.string_val.append(b"")
    nodes += [names, slices, *chain]
    if not filenames:
        nodes.append(node("read", "RestoreV2", "file", "names", "slices"))
    for k in range(n):
        nodes.append(node(f"v{k}", "VariableV2", dtype=type_of(), shape=AttrValue()))
        nodes[-1].attr["shape"].shape.SetInParent()
        if filenames:
            nodes.append(node(f"r{k}", "RestoreV2", f"i{n - 1}", "names", "slices"))
        nodes.append(node(f"a{k}", "Assign", f"v{k}", f"r{k}" if filenames else f"i{n - 1}", T=type_of()))
    nodes.append(node("restore", "NoOp", *(f"^a{k}" for k in range(n))))
    y = node("y", "AddN", *(f"v{k}" for k in range(n)), N=AttrValue(i=n), T=type_of())
    made = graph_only(graph([*nodes, y]), "y", restore_op="restore", filename_tensor="file:0")
    return with_checkpoint(made, [Stored("k", FLOAT, (), b"1234")])


def chained_values(n: int) -> Model:
    """N variables restored through one chain of n nodes."""
    return restoring(n, filenames=False)


def chained_filenames(n: int) -> Model:
    """N variables restored from a file whose name comes through a chain of n nodes."""
    return restoring(n, filenames=True)


def many_savers(n: int) -> Model:
    """N savers that each run the same n nodes."""
    nodes = [neg(f"n{k}", f"n{k - 1}" if k else "x") for k in range(n)]
    savers = [node(f"s{k}/restore_all", "NoOp", f"^n{n - 1}") for k in range(n)]
    variable = node("v", "VariableV2", dtype=type_of(), shape=AttrValue())
    variable.attr["shape"].shape.SetInParent()
    y = node("y", "Identity", "v", T=type_of())
    made = graph_only(graph([x(), *nodes, *savers, variable, y]), "y")
    return with_checkpoint(made, [Stored("v", FLOAT, (), b"1234")])


def sliced_strings(n: int) -> Model:
    """N variables that are each a slice of one tensor of n strings."""
    nodes = [node("file", "Placeholder", dtype=type_of(STRING))]
    names = node("names", "Const", dtype=type_of(STRING))
    names.attr["value"].tensor.dtype = STRING  # type: ignore[assignment]
    names.attr["value"].tensor.tensor_shape.dim.add(size=n)
    slices = NodeDef()
    slices.CopyFrom(names)
    slices.name = "slices"
    names.attr["value"].tensor.string_val.append(b"k")
    slices.attr["value"].tensor.string_val.extend(b"%d %d,1" % (n, k) for k in range(n))
    types = AttrValue(list=AttrValue.ListValue(type=[STRING] * n))  # type: ignore[list-item]
    nodes += [names, slices, node("read", "RestoreV2", "file", "names", "slices", dtypes=types)]
    for k in range(n):
        nodes.append(node(f"v{k}", "VariableV2", dtype=type_of(STRING), shape=AttrValue()))
        nodes[-1].attr["shape"].shape.dim.add(size=1)
        nodes.append(node(f"a{k}", "Assign", f"v{k}", f"read:{k}" if k else "read", T=type_of(STRING)))
    nodes.append(node("restore", "NoOp", *(f"^a{k}" for k in range(n))))
    y = node("y", "AddN", *(f"v{k}" for k in range(n)), N=AttrValue(i=n), T=type_of(STRING))
    made = graph_only(graph([*nodes, y]), "y", restore_op="restore", filename_tensor="file:0")
    return with_checkpoint(made, [strings_stored("k", (n,), [b"s"] * n)])


def object_paths(n: int) -> Model:
    """A SavedModel whose objects hang on each other, n deep, each by a name of 20 characters."""
    model = SavedModel(saved_model_schema_version=1)
    meta_graph = model.meta_graphs.add()
    meta_graph.meta_info_def.tags.append("serve")
    variable = handle("v")
    meta_graph.graph_def.CopyFrom(graph([variable, node("y", "ReadVariableOp", "v", dtype=type_of())]))
    for k in range(n):
        each = meta_graph.object_graph_def.nodes.add()
        each.variable.name = f"v{k}"
        each.children.add(node_id=k + 1, local_name="o" * 20)
    made = graph_only(GraphDef(), "y")
    made = with_checkpoint(made, [strings_stored("_CHECKPOINTABLE_OBJECT_GRAPH", (), [b""])])
    files = {name: content for name, content in made.files.items() if ".data-" not in name}
    return replace(made, files={**files, GRAPH_FILE: model.SerializeToString()})


def packed_entries(n: int) -> Model:
    """A compressed index of n entries that differ in four bytes."""
    value = BundleEntryProto(dtype=FLOAT).SerializeToString()  # type: ignore[arg-type]
    block = bytearray()
    for k in range(n):
        block += bytes((0, 4, len(value))) + struct.pack(">I", k) + value
    return with_index(index([bytes(block) + b"\0\0\0\0\1\0\0\0"], snappy=True))


def small_nodes(n: int) -> Model:
    """N nodes of few bytes, all of them needed."""
    nodes = b"".join(
        b"\x0a%c\x0a%c%s\x12\x01N\x1a%c%s" % (7 + len(a) + len(b), len(a), a, len(b), b)
        for a, b in ((short(k), short(k + 1)) for k in range(n))
    )
    end = GraphDef(node=[NodeDef(name=short(n).decode(), op="N")]).SerializeToString()
    return Model({GRAPH_FILE: nodes + end}, FreezeOptions(output_nodes=(short(0).decode(),)))


DIGITS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def short(k: int) -> bytes:
    """A short name for a number."""
    name = b""
    while True:
        name += DIGITS[k % len(DIGITS) : k % len(DIGITS) + 1]
        k //= len(DIGITS)
        if not k:
            return name + b"_" if name in (b"N",) else name


CASES = (
    Case(100, extended_keys, TOO_COMPLEX, size=6_000),
    Case(101, packed_keys, TOO_COMPLEX, size=6_000),
    Case(102, doubled_calls, TOO_COMPLEX, size=19, small=150, largest=150),
    Case(103, long_doubled_calls, TOO_COMPLEX, size=20_000),
    Case(104, kept_bodies, TOO_COMPLEX, size=40),
    Case(105, many_results, TOO_COMPLEX, size=2_000),
    Case(106, many_waits, TOO_COMPLEX, size=3_000),
    Case(107, placed_constants, TOO_COMPLEX, size=5_000),
    Case(108, doubled_attributes, TOO_COMPLEX, size=30, small=150, largest=150),
    Case(109, packed_constants, TOO_COMPLEX, size=1_000),
    Case(110, outputs, TOO_COMPLEX, size=1_000_000, small=4_000, largest=1_000_000),
    Case(111, empty_nodes, Reason.MALFORMED_MODEL, size=1_000_000, small=4_000),
    Case(112, added_constants, TOO_COMPLEX, size=1_000),
    Case(113, many_arguments, None, size=2_000),
    Case(114, nested_attributes, None, size=24, small=12, largest=24),
    Case(115, made_bodies, TOO_COMPLEX, size=2_000),
    Case(116, repeated_values, TOO_COMPLEX, size=4_000, small=3200),
    Case(117, many_readers, TOO_COMPLEX, size=4_000),
    Case(118, chained_values, None, size=4_000),
    Case(119, chained_filenames, None, size=4_000),
    Case(120, many_savers, TOO_COMPLEX, size=2_000),
    Case(121, sliced_strings, TOO_COMPLEX, size=4_000),
    Case(122, object_paths, TOO_COMPLEX, size=8_000, small=1600),
    Case(123, packed_entries, Reason.VARIABLE_NOT_IN_CHECKPOINT, size=20_000),
    Case(124, small_nodes, None, size=10_000),
)
