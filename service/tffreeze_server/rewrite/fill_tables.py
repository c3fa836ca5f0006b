"""Tables and other resources filled from the checkpoint: what they hold as constants, and the op that imports it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tffreeze_server.flatten.tables import Initializer, Tables
from tffreeze_server.graph.attrs import type_attr
from tffreeze_server.graph.node import Node, TensorValue, new_node
from tffreeze_server.graph.ops import TABLE_IMPORT_OPS
from tffreeze_server.resolve.resources import ResourceContents

_IMPORTED = ("", "keys", "values")
"""What the inputs of the op that imports a table are."""


def fill_tables(tables: Tables, contents: Iterable[ResourceContents]) -> Tables:
    """Add the constants and the op that fill each resource whose contents the checkpoint has."""
    nodes: dict[str, Node] = {}
    filled: list[Initializer] = []
    for each in contents:
        inputs = [_input(each, k) for k in range(len(each.inputs))]
        names = tuple([each.resource if i is None else i.name for i in inputs])
        importer = each.importer._replace(inputs=names)
        nodes |= {i.name: i for i in inputs if i is not None} | {importer.name: importer}
        filled.append(Initializer(importer.name, each.resource, "", each.keys))
    if not filled:
        return tables
    done = {i.table for i in filled}
    return replace(
        tables,
        nodes={**tables.nodes, **nodes},
        initializers=(*tables.initializers, *filled),
        empty=tuple(name for name in tables.empty if name not in done),
    )


def _input(contents: ResourceContents, k: int) -> Node | None:
    """An input of the op that imports, as a constant; None for the handle."""
    part, importer = contents.inputs[k], contents.importer
    name = f"{importer.name}/{_IMPORTED[k] if importer.op in TABLE_IMPORT_OPS and k < len(_IMPORTED) else k}"
    if isinstance(part, TensorValue):
        return new_node(name, "Const", (), {"dtype": type_attr(part.dtype)})._replace(value=part)
    return None if part is None else part._replace(name=name, inputs=())
