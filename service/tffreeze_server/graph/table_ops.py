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
DENSE_TABLE_OPS = frozenset(op for op in TABLE_OPS if "MutableDenseHashTable" in op)
INITIALIZER_OPS = frozenset(
    {
        "InitializeTable",
        "InitializeTableV2",
        "InitializeTableFromTextFile",
        "InitializeTableFromTextFileV2",
        "LookupTableImport",
        "LookupTableImportV2",
        "LookupTableInsert",
        "LookupTableInsertV2",
    }
)
IMPORT_OPS = frozenset({"LookupTableImport", "LookupTableImportV2"})
TEXT_FILE_OPS = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"})


def table_key(node: Node) -> tuple[str, str]:
    """Container and name of a table; nodes with the same are one table."""
    return variable_key(node)
