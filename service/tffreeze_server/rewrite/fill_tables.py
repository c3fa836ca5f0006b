"""Tables and other resources filled from the checkpoint: what they hold as constants, and the op that imports it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tffreeze_server.flatten.tables import Initializer, Tables
from tffreeze_server.graph.attrs import type_attr
from tffreeze_server.graph.node import Node, TensorValue, new_node
from tffreeze_server.graph.ops import DENSE_TABLE_OPS, TABLE_IMPORT_OPS
from tffreeze_server.graph.order import reachable
from tffreeze_server.resolve.resources import ResourceContents
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue
from tffreeze_server.tfproto.tensor_pb2 import TensorShapeProto

_IMPORTED = ("", "keys", "values")
"""What the inputs of the op that imports a table are."""


def fill_tables(tables: Tables, contents: Iterable[ResourceContents]) -> Tables:
    """Add the constants and the op that fill each resource whose contents the checkpoint has.

    What a loader runs comes after the restore: it waits for the op that imports.
    """
    nodes = dict(tables.nodes)
    filled: list[Initializer] = []
    for each in contents:
        filling = _filling(nodes[each.resource], each)
        nodes |= {node.name: node for node in filling}
        filled.append(Initializer(filling[-1].name, each.resource, "", each.keys))
    if not filled:
        return tables
    importers = {i.table: f"^{i.op}" for i in filled}
    for initializer in tables.initializers:
        op, table = initializer.op, initializer.table
        if table in importers:
            nodes[op] = nodes[op]._replace(inputs=(*nodes[op].inputs, importers[table]))
    return replace(
        tables,
        nodes=reachable(nodes, nodes),
        initializers=(*filled, *tables.initializers),
        empty=tuple(name for name in tables.empty if name not in importers),
    )


def _filling(table: Node, contents: ResourceContents) -> list[Node]:
    """The op that imports what a table holds, last, and the constants it reads."""
    given = [_input(contents, k) for k in range(len(contents.inputs))]
    constants = [node for node in given if node is not None]
    shown = [_of_any_shape(node) for node in constants] if table.op in DENSE_TABLE_OPS else constants
    names = iter([node.name for node in shown])
    inputs = tuple([table.name if node is None else next(names) for node in given])
    return [*constants, *shown, contents.importer._replace(inputs=inputs)]


def _of_any_shape(constant: Node) -> Node:
    """The same without a shape that is known before it runs.

    A dense table holds and imports its keys as a matrix, and the shape function of its import asks for a vector
    (`core/ops/lookup_ops.cc`); TensorFlow's own restore passes that check as the shapes it restores are not known.
    """
    attrs = {
        "dtype": constant.proto.attr["dtype"],
        "shape": AttrValue(shape=TensorShapeProto(unknown_rank=True)),
    }
    return new_node(f"{constant.name}/any_shape", "PlaceholderWithDefault", (constant.name,), attrs)


def _input(contents: ResourceContents, k: int) -> Node | None:
    """An input of the op that imports, as a constant; None for the handle."""
    part, importer = contents.inputs[k], contents.importer
    name = f"{importer.name}/{_IMPORTED[k] if importer.op in TABLE_IMPORT_OPS and k < len(_IMPORTED) else k}"
    if isinstance(part, TensorValue):
        return new_node(name, "Const", (), {"dtype": type_attr(part.dtype)})._replace(value=part)
    return None if part is None else part._replace(name=name, inputs=())
