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
STATIC_TABLE_OPS = frozenset({"HashTable", "HashTableV2", "AnonymousHashTable"})
"""Tables that are filled once and for all, and that no checkpoint has the contents of."""
DENSE_TABLE_OPS = frozenset(op for op in TABLE_OPS if "MutableDenseHashTable" in op)
TEXT_FILE_OPS = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"})
STATIC_OPS = frozenset({"InitializeTable", "InitializeTableV2"}) | TEXT_FILE_OPS
"""What fills static tables only."""
IMPORT_OPS = frozenset({"LookupTableImport", "LookupTableImportV2"})
"""What sets all that a table holds. TensorFlow from 1.14 on fills static tables by it, too (`lookup_ops.py`)."""
INITIALIZER_OPS = STATIC_OPS | IMPORT_OPS | {"LookupTableInsert", "LookupTableInsertV2"}


def table_key(node: Node) -> tuple[str, str]:
    """Container and name of a table; nodes with the same are one table."""
    return variable_key(node)
