"""Where a node's arguments start and end among its inputs and outputs, and of which types they are.

An op definition names arguments; how many tensors each is, and of which types, the node's attributes say.
Both come from the model and may say anything: numbers are bounded before anything is made of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.tensors.dtypes import REF_OFFSET
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue
from tffreeze_server.tfproto.op_def_pb2 import OpDef

Attrs = Mapping[str, AttrValue]

# More tensors on one side of one node than any graph that fits in 2 GiB could name.
MAX_TENSORS = 1_000_000


class ArgRange(NamedTuple):
    """The tensors `start` to `start + length` are one named argument."""

    name: str
    start: int
    length: int


def input_ranges(op_def: OpDef, attrs: Attrs, *, node: str = "") -> tuple[ArgRange, ...]:
    """Tell which data inputs of a node are which argument.

    Args:
        op_def: The definition of the node's op, or the signature of the function it calls.
        attrs: The node's attributes; one that is left out has the definition's default.
        node: The node's name, for messages.

    Raises:
        FreezeError: MALFORMED_MODEL, where an attribute is missing or says what it cannot.

    """
    return _Side(op_def, attrs, node).ranges(op_def.input_arg)


def output_ranges(op_def: OpDef, attrs: Attrs, *, node: str = "") -> tuple[ArgRange, ...]:
    """Tell which outputs of a node are which argument; as `input_ranges`."""
    return _Side(op_def, attrs, node).ranges(op_def.output_arg)


def input_types(op_def: OpDef, attrs: Attrs, *, node: str = "") -> tuple[int, ...]:
    """Tell the DataType number of each data input; a reference is its type plus 100. As `input_ranges`."""
    return _Side(op_def, attrs, node).types(op_def.input_arg)


def output_types(op_def: OpDef, attrs: Attrs, *, node: str = "") -> tuple[int, ...]:
    """Tell the DataType number of each output; a reference is its type plus 100. As `input_ranges`."""
    return _Side(op_def, attrs, node).types(op_def.output_arg)


class _Side(NamedTuple):
    """The inputs or the outputs of one node."""

    op_def: OpDef
    attrs: Attrs
    node: str

    def ranges(self, args: Iterable[OpDef.ArgDef]) -> tuple[ArgRange, ...]:
        found = []
        start = 0
        for arg in args:
            count = self._count(arg)
            found.append(ArgRange(arg.name, start, count))
            start += count
            if start > MAX_TENSORS:
                raise self._malformed(f"has more than {MAX_TENSORS} inputs or outputs")
        return tuple(found)

    def types(self, args: Iterable[OpDef.ArgDef]) -> tuple[int, ...]:
        args = list(args)
        # The ranges first: they are what bounds the counts.
        found: list[int] = []
        for arg, (_, _, count) in zip(args, self.ranges(args), strict=True):
            found += self._types(arg, count)
        return tuple(found)

    def _count(self, arg: OpDef.ArgDef) -> int:
        if arg.number_attr:
            count = self._attr(arg.number_attr, "i").i
            if count < 0:
                raise self._malformed(f"has a negative number {count} in its attribute {arg.number_attr!r}")
            return count
        if arg.type_list_attr:
            return len(self._attr(arg.type_list_attr, "list").list.type)
        return 1

    def _types(self, arg: OpDef.ArgDef, count: int) -> list[int]:
        if arg.type_list_attr and not arg.number_attr:
            return [self._type(arg, dtype) for dtype in self._attr(arg.type_list_attr, "list").list.type]
        # Looked at once, however many there are.
        dtype = self._attr(arg.type_attr, "type").type if arg.type_attr else arg.type
        return [self._type(arg, dtype)] * count

    def _type(self, arg: OpDef.ArgDef, dtype: int) -> int:
        if 0 < dtype < (REF_OFFSET if arg.is_ref else 2 * REF_OFFSET):
            return REF_OFFSET + dtype if arg.is_ref else dtype
        raise self._malformed(f"has {dtype} for the type of its argument {arg.name!r}, which is no type")

    def _attr(self, name: str, kind: str) -> AttrValue:
        value = self.attrs.get(name)
        if value is None:
            defaults = (a.default_value for a in self.op_def.attr if a.name == name)
            value = next(defaults, AttrValue())
        found = value.WhichOneof("value")
        # Where a list is asked for, nothing at all is an empty one: graphs of before GraphDef version 5 write it so
        # (AttrValueHasType in core/framework/attr_value_util.cc).
        if found == kind or (found is None and kind == "list" and name in self.attrs):
            return value
        wrong = "of another kind than its op asks for" if name in self.attrs else "missing"
        raise self._malformed(f"cannot be read: its attribute {name!r} is {wrong}")

    def _malformed(self, what: str) -> FreezeError:
        who = f"The node {self.node!r}" if self.node else "A node"
        message = f"{who} of op {self.op_def.name!r} {what}."
        return FreezeError(Reason.MALFORMED_MODEL, message, subject=self.node)
