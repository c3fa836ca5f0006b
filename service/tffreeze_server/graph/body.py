"""A function body in plain form, and back.

Theory of operation. In a FunctionDef an input is `arg`, `node:output_arg:index` or `^node`; in a GraphDef it
is `node`, `node:k` or `^node`, `k` counting over all output arguments. Going to plain form needs the op's
definition, to know where an output argument starts; so does going back. For an op without definition of
which only one output argument is ever named, the index alone is `k`, and the name is remembered for the
way back. Facts: `InstantiateFunction` in TensorFlow's `core/framework/function.cc`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from google.protobuf.message import DecodeError

from tffreeze_server.budget import Budget
from tffreeze_server.errors import FreezeError, Reason, nearest
from tffreeze_server.graph.nesting import check_body_node
from tffreeze_server.graph.node import Node, index_of, join_tensor, split_tensor
from tffreeze_server.graph.op_args import ArgRange
from tffreeze_server.graph.op_registry import OpRegistry
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue, NameAttrList
from tffreeze_server.tfproto.graph_pb2 import FunctionDef, NodeDef
from tffreeze_server.tfproto.op_def_pb2 import OpDef
from tffreeze_server.tfproto.tensor_pb2 import DataType

# What things cost, in steps and bytes of a budget: as measured for whole freezes.
_NODE_STEPS, _NODE_BYTES = 10, 300
_INPUT_STEPS, _INPUT_BYTES = 2, 100
_ATTR_BYTES = 24
"""Of memory for a byte of a message that is made of small messages."""


@dataclass(frozen=True, slots=True)
class Arg:
    """An argument or a result of a function: its name and the number of its `DataType`."""

    name: str
    dtype: int


@dataclass(frozen=True, slots=True)
class Body:
    """A function body in plain form: an argument is read as if it were a node of its name.

    Attributes:
        name: Of the function.
        args: In order.
        nodes: By name, in file order.
        results: In order.
        result_tensors: The tensor each result is, as many as `results`.
        control_results: (name, node) of what must have run when a call is done.
        proto: The function's attributes and documentation; its signature and nodes do not count.

    """

    name: str
    args: tuple[Arg, ...]
    nodes: Mapping[str, Node]
    results: tuple[Arg, ...]
    result_tensors: tuple[str, ...]
    control_results: tuple[tuple[str, str], ...]
    proto: FunctionDef


def to_body(function: FunctionDef, attrs: Mapping[str, AttrValue], registry: OpRegistry) -> Body:
    """Put a function in plain form.

    Args:
        function: From the model's library.
        attrs: Values for the function's own attributes (`T` of a polymorphic function), from its call.
        registry: What the nodes of the body may call or be.

    Raises:
        FreezeError: MALFORMED_MODEL; UNKNOWN_OP where an op has no definition and several outputs are named;
            UNSUPPORTED_OP for arguments that are lists.

    """
    signature = function.signature
    attrs = {**{a.name: a.default_value for a in signature.attr if a.HasField("default_value")}, **attrs}
    args = _arguments(signature.input_arg, attrs, signature.name)
    results = _arguments(signature.output_arg, attrs, signature.name)
    argument_names = frozenset(a.name for a in args)
    inputs = sum([len(proto.input) for proto in function.node_def])
    registry.budget.draw(
        "the bodies of functions",
        _NODE_STEPS * len(function.node_def) + _INPUT_STEPS * (inputs + len(results)),
        _NODE_BYTES * len(function.node_def) + _INPUT_BYTES * (inputs + len(results)),
        subject=signature.name,
    )
    if len(argument_names) < len(args):
        raise _malformed(signature.name, "two of its arguments have the same name")
    values = _Values(attrs, registry.budget)
    nodes: dict[str, NodeDef] = {}
    for proto in function.node_def:
        if proto.name in nodes or proto.name in argument_names or not proto.name:
            raise _malformed(signature.name, f"two of its nodes or arguments have the name {proto.name!r}")
        nodes[proto.name] = values.given_to(proto)
    plain = _PlainNames(signature.name, argument_names, nodes, registry)
    return Body(
        signature.name,
        args,
        {
            name: Node(name, proto.op, tuple([plain.tensor(i) for i in proto.input]), proto)
            for name, proto in nodes.items()
        },
        results,
        tuple([plain.tensor(_result(function, a.name)) for a in results]),
        tuple([(name, _control(function, name, nodes)) for name in signature.control_output]),
        function,
    )


def to_function_def(body: Body, registry: OpRegistry) -> FunctionDef:
    """Write a body as a FunctionDef: signature, nodes and results as in `body`, the rest as in its `proto`."""
    function = FunctionDef()
    function.CopyFrom(body.proto)
    for made_anew in ("node_def", "ret", "control_ret"):
        function.ClearField(made_anew)
    signature = function.signature
    signature.name = body.name
    for made_anew in ("input_arg", "output_arg", "control_output", "attr"):
        signature.ClearField(made_anew)
    signature.input_arg.extend(_arg_def(a) for a in body.args)
    signature.output_arg.extend(_arg_def(a) for a in body.results)
    signature.control_output.extend(name for name, _ in body.control_results)
    argument_names = frozenset(a.name for a in body.args)
    named = _FunctionNames(argument_names, body.nodes, registry, _named_outputs(body.proto))
    for node in body.nodes.values():
        proto = function.node_def.add()
        proto.CopyFrom(node.proto)
        proto.name, proto.op = node.name, node.op
        proto.ClearField("input")
        proto.input.extend(named.tensor(i) for i in node.inputs)
    for result, tensor in zip(body.results, body.result_tensors, strict=True):
        function.ret[result.name] = named.tensor(tensor)
    for name, node_name in body.control_results:
        function.control_ret[name] = node_name
    return function


def _arg_def(arg: Arg) -> OpDef.ArgDef:
    return OpDef.ArgDef(name=arg.name, type=cast("DataType", arg.dtype))


@dataclass(eq=False, slots=True)
class _PlainNames:
    """Turns `node:output_arg:index` into `node:k`."""

    function: str
    args: frozenset[str]
    nodes: Mapping[str, NodeDef]
    registry: OpRegistry
    _unknown: dict[str, str] = field(default_factory=dict)
    _ranges: dict[str, Mapping[str, ArgRange] | None] = field(default_factory=dict)
    """Output arguments of the nodes that were read so far, by name."""

    def tensor(self, name: str) -> str:
        if name.startswith("^"):
            self._existing(name[1:], name)
            return name
        parts = name.split(":")
        if parts[0] in self.args:
            if len(parts) == 1 or parts[1:] == ["0"]:
                return parts[0]
            raise _malformed(self.function, f"an input is {name!r}, but that argument is one tensor")
        node = self._existing(parts[0], name)
        index = index_of(parts[2]) if len(parts) == 3 else 0
        if len(parts) not in (2, 3) or index is None:
            raise _malformed(
                self.function, f"an input is {name!r}, which is not of the form node:output:index"
            )
        return join_tensor(parts[0], self._index(node, parts[1], index))

    def _existing(self, node: str, name: str) -> NodeDef | None:
        if node in self.nodes:
            return self.nodes[node]
        if name.startswith("^") and node in self.args:
            return None
        raise _malformed(
            self.function, f"an input is {name!r}, but no node has that name. {nearest(node, self.nodes)}"
        )

    def _index(self, node: NodeDef | None, argument: str, index: int) -> int:
        if node is None:
            return index
        if node.name not in self._ranges:
            ranges = self.registry.ranges(node.op, node, node.name)
            self._ranges[node.name] = None if ranges is None else {r.name: r for r in reversed(ranges)}
        by_name = self._ranges[node.name]
        if by_name is None:
            return self._unknown_index(node, argument, index)
        if argument in by_name and index < by_name[argument].length:
            return by_name[argument].start + index
        raise _malformed(
            self.function, f"the op {node.op!r} of its node {node.name!r} has no output {argument}:{index}"
        )

    def _unknown_index(self, node: NodeDef, argument: str, index: int) -> int:
        if self._unknown.setdefault(node.op, argument) == argument:
            return index
        raise FreezeError(
            Reason.UNKNOWN_OP,
            f"The op {node.op!r} (node {node.name!r} of function {self.function!r}) is neither in the model's "
            "list of ops nor in TensorFlow's, and more than one of its outputs is used, so their order is not "
            "known. Give its definition with --op-list FILE (an OpList, binary or text).",
            subject=node.op,
        )


@dataclass(eq=False, slots=True)
class _FunctionNames:
    """Turns `node:k` into `node:output_arg:index`."""

    args: frozenset[str]
    nodes: Mapping[str, Node]
    registry: OpRegistry
    named: Mapping[str, str]
    _ranges: dict[str, tuple[ArgRange, ...] | None] = field(default_factory=dict)

    def tensor(self, tensor: str) -> str:
        if tensor.startswith("^") or tensor in self.args:
            return tensor
        name, index = split_tensor(tensor)
        node = self.nodes[name]
        if name not in self._ranges:
            self._ranges[name] = self.registry.ranges(node.op, node.proto, name)
        ranges = self._ranges[name]
        if ranges is None:
            return f"{name}:{self._named(node.op)}:{index}"
        at = bisect_right(ranges, index, key=lambda r: r.start) - 1
        if at >= 0 and index < ranges[at].start + ranges[at].length:
            return f"{name}:{ranges[at].name}:{index - ranges[at].start}"
        raise _malformed(name, f"the op {node.op!r} has no output {index}")

    def _named(self, op: str) -> str:
        """The output argument of an op without definition: as here, or as where it was inlined from."""
        if op in self.named:
            return self.named[op]
        bodies = (_named_outputs(function) for function in self.registry.library.values())
        found = next((names[op] for names in bodies if op in names), None)
        if found is None:
            raise FreezeError(
                Reason.UNKNOWN_OP,
                f"The op {op!r} is neither in the model's list of ops nor in TensorFlow's, so the name of its output "
                "is not known. Give its definition with --op-list FILE (an OpList, binary or text).",
                subject=op,
            )
        return found


def _named_outputs(function: FunctionDef) -> dict[str, str]:
    """The output argument by which each op's outputs are named, for ops without definition."""
    ops = {node.name: node.op for node in function.node_def}
    names = [name for node in function.node_def for name in node.input] + list(function.ret.values())
    parts = [name.split(":") for name in names]
    return {ops[p[0]]: p[1] for p in parts if len(p) > 1 and p[0] in ops}


@dataclass(frozen=True, slots=True)
class _Values:
    """What a call gives for the attributes of a function."""

    attrs: Mapping[str, AttrValue]
    budget: Budget
    _sizes_bytes: dict[str, int] = field(default_factory=dict)

    def given_to(self, proto: NodeDef) -> NodeDef:
        """The node with `placeholder` attributes replaced by the values."""
        if not any(_has_placeholder(value) for value in proto.attr.values()):
            return proto
        self._draw(proto.ByteSize(), proto.name)
        changed = NodeDef()
        changed.CopyFrom(proto)
        for key in changed.attr:
            self._fill(changed.attr[key], proto.name, key)
        if any(_functions(value) for value in changed.attr.values()):
            self._check_nesting(changed)
        return changed

    def _check_nesting(self, changed: NodeDef) -> None:
        """A function that is given to a function that is given to a function: each call nests it one deeper."""
        try:
            check_body_node(changed)
        except DecodeError:
            raise _malformed(
                changed.name,
                "the functions that calls hand on in its attributes become nested more deeply than any reader takes",
            ) from None

    def _fill(self, value: AttrValue, node: str, key: str) -> None:
        if value.WhichOneof("value") == "placeholder":
            name = value.placeholder
            if name not in self.attrs:
                raise _malformed(
                    node, f"its attribute {key!r} asks for {name!r}, which the call does not give"
                )
            if name not in self._sizes_bytes:
                self._sizes_bytes[name] = self.attrs[name].ByteSize()
            self._draw(self._sizes_bytes[name], node)
            value.CopyFrom(self.attrs[name])
            return
        for function in _functions(value):
            for name in function.attr:
                self._fill(function.attr[name], node, key)

    def _draw(self, size_bytes: int, node: str) -> None:
        """A value may be given many times, to functions that hand it on many times."""
        self.budget.draw(
            "the attributes of functions", size_bytes >> 2, _ATTR_BYTES * size_bytes, subject=node
        )


def _has_placeholder(value: AttrValue) -> bool:
    kind = value.WhichOneof("value")
    return kind == "placeholder" or any(
        _has_placeholder(v) for f in _functions(value) for v in f.attr.values()
    )


def _functions(value: AttrValue) -> list[NameAttrList]:
    """The functions that an attribute names: they are given values too."""
    kind = value.WhichOneof("value")
    if kind == "func":
        return [value.func]
    return list(value.list.func) if kind == "list" else []


def _arguments(
    args: Iterable[OpDef.ArgDef], attrs: Mapping[str, AttrValue], function: str
) -> tuple[Arg, ...]:
    found = []
    for arg in args:
        if arg.number_attr or arg.type_list_attr:
            raise FreezeError(
                Reason.UNSUPPORTED_OP,
                f"The argument {arg.name!r} of function {function!r} is a list of tensors, which tffreeze does "
                "not read. Export the model again with one argument per tensor.",
                subject=function,
            )
        dtype = attrs[arg.type_attr].type if arg.type_attr and arg.type_attr in attrs else arg.type
        if dtype <= 0:
            raise _malformed(function, f"nothing says of which type its argument or result {arg.name!r} is")
        found.append(Arg(arg.name, dtype))
    return tuple(found)


def _result(function: FunctionDef, name: str) -> str:
    if name in function.ret and not function.ret[name].startswith("^"):
        return function.ret[name]
    raise _malformed(function.signature.name, f"its result {name!r} is not set")


def _control(function: FunctionDef, name: str, nodes: Mapping[str, NodeDef]) -> str:
    node = function.control_ret.get(name, "")
    if node in nodes:
        return node
    raise _malformed(function.signature.name, f"its control result {name!r} is {node!r}, which is no node")


def _malformed(function: str, what: str) -> FreezeError:
    return FreezeError(
        Reason.MALFORMED_MODEL, f"The function or node {function!r} cannot be read: {what}.", subject=function
    )
