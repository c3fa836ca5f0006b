"""Which arguments an op has: the model's own definitions, and TensorFlow's for what those leave out.

A MetaGraph brings the definitions of its ops, custom ones among them, but lists of real models are incomplete
where ops stand in function bodies only, and a bare GraphDef has none. `op_table.binpb` is the registry of one
TensorFlow (`scripts/generate_op_table.py`), as the MetaInfoDef of a graph with every op would state it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tffreeze_server.tfproto.op_def_pb2 import OpDef, OpList
from tffreeze_server.tfproto.saved_model_pb2 import MetaGraphDef


@dataclass(frozen=True)
class OpDefs:
    """Definitions of ops: the model's own first, then the bundled table of TensorFlow's registry."""

    own: Mapping[str, OpDef]

    def find(self, op: str) -> OpDef | None:
        """Look an op up: its definition, or None where neither the model nor the table has one."""
        found = self.own.get(op)
        return found if found is not None else _bundled().get(op)


def op_defs(own: OpList | None = None) -> OpDefs:
    """Put the definitions for one model together.

    Args:
        own: The model's `stripped_op_list`, if it has one. Of two definitions of an op the first counts.

    """
    return OpDefs({op.name: op for op in reversed(own.op)} if own else {})


def bundled_version() -> str:
    """Tell the version of TensorFlow whose registry the bundled table is."""
    return _table().tensorflow_version


@functools.cache
def _bundled() -> dict[str, OpDef]:
    return {op.name: op for op in _table().stripped_op_list.op}


# Parsed whole: an index to parse ops one by one would save some 3 ms of a process's life.
@functools.cache
def _table() -> MetaGraphDef.MetaInfoDef:
    data = Path(__file__).with_name("op_table.binpb").read_bytes()
    return MetaGraphDef.MetaInfoDef.FromString(data)
