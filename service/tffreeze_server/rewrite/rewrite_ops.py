"""What becomes of one node that is, holds or reads a frozen variable: one small function a role.

Each takes the node and the variable it is given (`Handle`), and gives the nodes that stand in its place;
the one of the same name is the last. Attributes are those of the plain ops in TensorFlow's `core/ops`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.attrs import int_attr, tensor_attr, type_attr, types_attr
from tffreeze_server.graph.node import Node, join_tensor, new_node, with_attrs
from tffreeze_server.graph.ops import HANDLE_OUTPUTS, Role
from tffreeze_server.graph.variables import Binding
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue
from tffreeze_server.tfproto.tensor_pb2 import DT_BOOL, DT_INT32, TensorProto

STALE_ATTRS = frozenset(
    {"_output_shapes", "_handle_dtypes", "_handle_shapes", "_read_only_resource_inputs", "_class"}
)
"""Attributes that describe the handle, not the value, once a node hands on a value."""


@dataclass(frozen=True, slots=True)
class Handle:
    """A tensor that was a variable's handle or buffer and is its value now.

    Attributes:
        dtype: Of the value.
        shape: Of the value; None where it is not one.
        is_ref: Whether it was a buffer (ref type), not a resource handle.
        variables: Names of the variables it may be.

    """

    dtype: int
    shape: tuple[int, ...] | None
    is_ref: bool
    variables: tuple[str, ...]


def constant(node: Node, binding: Binding) -> Node:
    """The Const in a variable's place, its value by reference."""
    made = new_node(node.name, "Const", (), {"dtype": type_attr(binding.value.dtype)}, node.proto.device)
    return made._replace(value=binding.value)


def same_as(node: Node, first: str, dtype: int) -> Node:
    """Another node of a variable that has its constant already: an Identity of that."""
    return new_node(node.name, "Identity", (first,), {"T": type_attr(dtype)}, node.proto.device)


def rewrite(role: Role, node: Node, handle: Handle, free: Callable[[str], str]) -> tuple[Node, ...]:
    """The nodes in place of one that reads the variable `handle` by its first input.

    Args:
        role: Of the node's op.
        node: The node.
        handle: The variable.
        free: Makes a name one that no node has.

    """
    if role is Role.GATHER:
        return _gather(node, handle, free)
    if node.op == "RefSelect":
        return _select(node, handle, free)
    return _REWRITES[role](node, handle)


def passed_on(node: Node, handle: Handle) -> dict[str, Handle]:
    """The outputs of a node of role FORWARD or REF_FORWARD that are the variable again."""
    return {join_tensor(node.name, k): handle for k in range(HANDLE_OUTPUTS.get(node.op, 1))}


def merged(node: Node, handles: list[Handle]) -> Handle:
    """One handle for several that may arrive at the same place."""
    dtypes = {h.dtype for h in handles}
    if len(dtypes) > 1:
        raise FreezeError(
            Reason.MALFORMED_MODEL,
            f"At the node {node.name!r} (op {node.op!r}) variables of different types meet.",
            subject=node.name,
        )
    shapes = {h.shape for h in handles}
    names = dict.fromkeys(name for h in handles for name in h.variables)
    shape = handles[0].shape if len(shapes) == 1 else None
    return Handle(handles[0].dtype, shape, handles[0].is_ref, tuple(names))


def _plain(
    node: Node, op: str, attrs: Mapping[str, AttrValue], inputs: tuple[str, ...] | None = None
) -> Node:
    return new_node(node.name, op, node.inputs if inputs is None else inputs, attrs, node.proto.device)


def _read(node: Node, handle: Handle) -> tuple[Node, ...]:
    asked = node.proto.attr["dtype"].type if "dtype" in node.proto.attr else 0
    if asked != handle.dtype:
        raise FreezeError(
            Reason.MALFORMED_MODEL,
            f"The node {node.name!r} reads the variable {handle.variables[0]!r} as type {asked}, which it is not.",
            subject=node.name,
        )
    return (_plain(node, "Identity", {"T": type_attr(handle.dtype)}),)


def _check_inputs(node: Node, count: int) -> None:
    if sum(not i.startswith("^") for i in node.inputs) != count:
        raise FreezeError(
            Reason.MALFORMED_MODEL,
            f"The node {node.name!r} (op {node.op!r}) does not have {count} inputs. Export the model again.",
            subject=node.name,
        )


def _attr(node: Node, name: str) -> AttrValue:
    if name in node.proto.attr:
        return node.proto.attr[name]
    raise FreezeError(
        Reason.MALFORMED_MODEL,
        f"The node {node.name!r} (op {node.op!r}) lacks its attribute {name!r}. Export the model again.",
        subject=node.name,
    )


def _gather(node: Node, handle: Handle, free: Callable[[str], str]) -> tuple[Node, ...]:
    _check_inputs(node, 2)
    # ResourceGather gathers along the dimension after its batch dimensions.
    batch_dims = node.proto.attr["batch_dims"].i if "batch_dims" in node.proto.attr else 0
    axis = new_node(
        free(f"{node.name}/axis"),
        "Const",
        tuple(i for i in node.inputs if i.startswith("^")),
        {
            "dtype": type_attr(DT_INT32),
            "value": tensor_attr(TensorProto(dtype=DT_INT32, tensor_shape={}, int_val=[batch_dims])),
        },
        node.proto.device,
    )
    inputs = (node.inputs[0], node.inputs[1], axis.name, *node.inputs[2:])
    attrs = {
        "batch_dims": int_attr(batch_dims),
        "Tparams": type_attr(handle.dtype),
        "Tindices": _attr(node, "Tindices"),
        "Taxis": type_attr(DT_INT32),
    }
    return axis, _plain(node, "GatherV2", attrs, inputs)


def _gather_nd(node: Node, handle: Handle) -> tuple[Node, ...]:
    _check_inputs(node, 2)
    attrs = {"Tparams": type_attr(handle.dtype), "Tindices": _attr(node, "Tindices")}
    return (_plain(node, "GatherNd", attrs),)


def _shape(node: Node, handle: Handle) -> tuple[Node, ...]:
    out_type = node.proto.attr["out_type"] if "out_type" in node.proto.attr else type_attr(DT_INT32)
    return (_plain(node, "Shape", {"T": type_attr(handle.dtype), "out_type": out_type}),)


def _is_set(node: Node, handle: Handle) -> tuple[Node, ...]:  # noqa: ARG001  one signature for all roles
    value = tensor_attr(TensorProto(dtype=DT_BOOL, tensor_shape={}, bool_val=[True]))
    controls = tuple(i for i in node.inputs if i.startswith("^"))
    return (_plain(node, "Const", {"dtype": type_attr(DT_BOOL), "value": value}, controls),)


def _pass(node: Node, handle: Handle) -> tuple[Node, ...]:
    if node.op == "IdentityN":
        return (with_attrs(node, STALE_ATTRS),)  # Its types are set input by input: see `identity_n`.
    return (with_attrs(node, STALE_ATTRS, T=type_attr(handle.dtype)),)


def _ref_pass(node: Node, handle: Handle) -> tuple[Node, ...]:  # noqa: ARG001  one signature for all roles
    return (with_attrs(node, STALE_ATTRS)._replace(op=node.op.removeprefix("Ref")),)


def _select(node: Node, handle: Handle, free: Callable[[str], str]) -> tuple[Node, ...]:
    """RefSelect has no plain form: the rows of a Pack are chosen from, which asks for equal shapes."""
    index, *rest = node.inputs
    variables = tuple(i for i in rest if not i.startswith("^"))
    if handle.shape is None:
        raise FreezeError(
            Reason.UNSUPPORTED_OP,
            f"The node {node.name!r} (op 'RefSelect') chooses among variables of different shapes "
            f"({', '.join(map(repr, handle.variables))}), for which there is no op without variables. "
            "Take another output, or keep these variables with --deny.",
            subject=node.name,
        )
    pack = new_node(
        free(f"{node.name}/values"),
        "Pack",
        variables,
        {"T": type_attr(handle.dtype), "N": int_attr(len(variables)), "axis": int_attr(0)},
        node.proto.device,
    )
    chosen = new_node(node.name, "ResourceGather", (pack.name, index), {"Tindices": type_attr(DT_INT32)})
    controls = tuple(i for i in rest if i.startswith("^"))
    return pack, *_gather(chosen._replace(inputs=(*chosen.inputs, *controls)), handle, free)


def _nothing(node: Node, handle: Handle) -> tuple[Node, ...]:  # noqa: ARG001  one signature for all roles
    return (_plain(node, "NoOp", {}, tuple(i for i in node.inputs if i.startswith("^"))),)


def identity_n(node: Node, handles: Mapping[int, Handle]) -> Node:
    """An IdentityN, the types of those inputs changed that are variables."""
    types: list[int] = list(_attr(node, "T").list.type)
    _check_inputs(node, len(types))
    for position, handle in handles.items():
        types[position] = handle.dtype
    return with_attrs(node, STALE_ATTRS, T=types_attr(types))


_REWRITES: Mapping[Role, Callable[[Node, Handle], tuple[Node, ...]]] = MappingProxyType(
    {
        Role.READ: _read,
        Role.GATHER_ND: _gather_nd,
        Role.SHAPE: _shape,
        Role.IS_SET: _is_set,
        Role.FORWARD: _pass,
        Role.REF_FORWARD: _ref_pass,
        Role.NO_OP: _nothing,
    }
)
