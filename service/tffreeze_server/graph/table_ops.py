"""Which ops are lookup tables, and which fill them. Facts: TensorFlow's `core/ops/lookup_ops.cc`."""

from __future__ import annotations

from tffreeze_server.graph.node import Node
from tffreeze_server.graph.variables import variable_key

TABLE_OPS = frozenset(
    {
        "HashTable",
        "HashTableV2",
        "MutableHashTable",
        "MutableHashTableV2",
        "MutableHashTableOfTensors",
        "MutableHashTableOfTensorsV2",
        "MutableDenseHashTable",
        "MutableDenseHashTableV2",
        "AnonymousHashTable",
        "AnonymousMutableHashTable",
        "AnonymousMutableHashTableOfTensors",
        "AnonymousMutableDenseHashTable",
    }
)
TEXT_FILE_OPS = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"})
STATIC_OPS = frozenset({"InitializeTable", "InitializeTableV2"}) | TEXT_FILE_OPS
"""What fills a table once and for all."""
IMPORT_OPS = frozenset({"LookupTableImport", "LookupTableImportV2"})
"""What sets all that a mutable table holds."""
INITIALIZER_OPS = STATIC_OPS | IMPORT_OPS | {"LookupTableInsert", "LookupTableInsertV2"}


def table_key(node: Node) -> tuple[str, str]:
    """Container and name of a table; nodes with the same are one table."""
    return variable_key(node)
