"""What the stages share about a model's functions, so that each function is worked out once."""

from __future__ import annotations

from dataclasses import dataclass

from tffreeze_server.graph.effects import Effects
from tffreeze_server.graph.inline import Inliner
from tffreeze_server.graph.model import Model
from tffreeze_server.graph.op_registry import OpRegistry


@dataclass(frozen=True, slots=True)
class Functions:
    """The functions of one model.

    Attributes:
        registry: The functions and the definitions of all ops.
        inliner: Their bodies, all calls inlined. Each is inlined when it is first asked for, and kept.
        effects: What each of them changes. Each is looked at when it is first asked about.

    """

    registry: OpRegistry
    inliner: Inliner
    effects: Effects


def functions_of(model: Model) -> Functions:
    """Take the functions of a model; nothing is inlined yet."""
    registry = OpRegistry(model.library, model.op_defs, model.budget)
    inliner = Inliner(registry)
    return Functions(registry, inliner, Effects(inliner))
