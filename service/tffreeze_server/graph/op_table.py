"""Which arguments an op has: the model's own definitions, and TensorFlow's for what those leave out.

Where the two contradict each other on how many arguments an op of TensorFlow has, TensorFlow's stands: whoever
loads the frozen graph has that one, and our knowledge of ops rests on it. A model that says else was not written by
TensorFlow, which keeps its definitions compatible.

A MetaGraph brings the definitions of its ops, custom ones among them, but lists of real models are incomplete
where ops stand in function bodies only, and a bare GraphDef has none. `op_table.binpb` is the registry of one
TensorFlow (`scripts/generate_op_table.py`), as the MetaInfoDef of a graph with every op would state it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tffreeze_server.tfproto.op_def_pb2 import OpDef, OpList
from tffreeze_server.tfproto.saved_model_pb2 import MetaGraphDef


@dataclass(frozen=True)
class OpDefs:
    """Definitions of ops: the model's own, as far as they agree with the bundled table of TensorFlow's registry."""

    own: Mapping[str, OpDef]
    _found: dict[str, OpDef | None] = field(default_factory=dict, compare=False)

    def find(self, op: str) -> OpDef | None:
        """Look an op up: its definition, or None where neither the model nor the table has one."""
        if op not in self._found:
            self._found[op] = _choose(self.own.get(op), _bundled().get(op))
        return self._found[op]


def op_defs(own: OpList | None = None) -> OpDefs:
    """Put the definitions for one model together.

    Args:
        own: The model's `stripped_op_list`, if it has one. Of two definitions of an op the first counts.

    """
    return OpDefs({op.name: op for op in reversed(own.op)} if own else {})


def is_tensorflow_op(op: str) -> bool:
    """Tell whether an op is in the bundled table."""
    return op in _bundled()


def _choose(own: OpDef | None, bundled: OpDef | None) -> OpDef | None:
    """The model's definition of an op, but TensorFlow's where that is another op's."""
    if own is None or bundled is None:
        return own or bundled
    return own if _arguments(own) == _arguments(bundled) else bundled


def _arguments(op: OpDef) -> list[list[tuple[bool, bool, bool]]]:
    """What two definitions of one op agree in: how many arguments on either side, which are lists, which refs."""
    return [
        [(bool(arg.number_attr), bool(arg.type_list_attr), arg.is_ref) for arg in side]
        for side in (op.input_arg, op.output_arg)
    ]


@functools.cache
def _bundled() -> dict[str, OpDef]:
    return {op.name: op for op in _table().stripped_op_list.op}


# Parsed whole: an index to parse ops one by one would save some 3 ms of a process's life.
@functools.cache
def _table() -> MetaGraphDef.MetaInfoDef:
    data = Path(__file__).with_name("op_table.binpb").read_bytes()
    return MetaGraphDef.MetaInfoDef.FromString(data)
