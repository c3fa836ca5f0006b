"""What ops do to a variable: the one table of it.

`Role` says how a node that holds or reads a frozen variable is rewritten; `CALLS` says how ops that run
functions hand their inputs to them. An op that takes a variable and is in neither writes it, or does
what a constant cannot stand for. Facts: the op definitions in TensorFlow's `core/ops/*.cc`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


class Role(enum.Enum):
    """What becomes of a node once the variable it is, holds or reads is a constant."""

    RESOURCE = "a variable read through a handle: a Const"
    REF = "a variable read directly: a Const"
    READ = "gives the value: an Identity"
    GATHER = "gives rows of the value: a GatherV2"
    GATHER_ND = "gives elements of the value: a GatherNd"
    SHAPE = "gives the shape: a Shape"
    IS_SET = "tells whether it has a value: a Const that is true"
    HAND_ON = "hands the variable on: the same op, on the value"
    REF_HAND_ON = "hands the buffer on: the plain form of the op"
    NOTHING = "does nothing to a constant: a NoOp"


ROLES: Mapping[str, Role] = MappingProxyType(
    {
        "VarHandleOp": Role.RESOURCE,
        "VariableV2": Role.REF,
        "Variable": Role.REF,
        "ReadVariableOp": Role.READ,
        "ResourceGather": Role.GATHER,
        "ResourceGatherNd": Role.GATHER_ND,
        "VariableShape": Role.SHAPE,
        "VarIsInitializedOp": Role.IS_SET,
        "IsVariableInitialized": Role.IS_SET,
        "Identity": Role.HAND_ON,
        "IdentityN": Role.HAND_ON,
        "Enter": Role.HAND_ON,
        "Exit": Role.HAND_ON,
        "NextIteration": Role.HAND_ON,
        "Switch": Role.HAND_ON,
        "Merge": Role.HAND_ON,
        "RefIdentity": Role.REF_HAND_ON,
        "RefEnter": Role.REF_HAND_ON,
        "RefExit": Role.REF_HAND_ON,
        "RefNextIteration": Role.REF_HAND_ON,
        "RefSwitch": Role.REF_HAND_ON,
        "RefMerge": Role.REF_HAND_ON,
        "RefSelect": Role.REF_HAND_ON,
        "DisableCopyOnRead": Role.NOTHING,
    }
)

VARIABLE_OPS = frozenset(op for op, role in ROLES.items() if role in (Role.RESOURCE, Role.REF))

HANDLE_OUTPUTS: Mapping[str, int] = MappingProxyType({"Switch": 2, "RefSwitch": 2})
"""How many outputs of an op of role HAND_ON or REF_HAND_ON are the variable; one, where nothing is said."""


@dataclass(frozen=True, slots=True)
class Call:
    """How an op that runs functions hands its inputs to them.

    Attributes:
        functions: Attributes that name a function, or a list of functions.
        skip: How many first inputs the functions do not get.
        input_types: Type-list attributes that describe the inputs the functions get, in order.
        output_types: Type-list attribute of the outputs.
        output_shapes: Shape-list attribute of the outputs; empty where there is none.
        is_loop: Whether results of the body are its next arguments.

    """

    functions: tuple[str, ...]
    skip: int
    input_types: tuple[str, ...]
    output_types: str
    output_shapes: str = ""
    is_loop: bool = False


_IF = Call(("then_branch", "else_branch"), 1, ("Tin",), "Tout", "output_shapes")
_CASE = Call(("branches",), 1, ("Tin",), "Tout", "output_shapes")
_WHILE = Call(("cond", "body"), 0, ("T",), "T", "output_shapes", is_loop=True)
_PLAIN = Call(("f",), 0, ("Tin",), "Tout")

CALLS: Mapping[str, Call] = MappingProxyType(
    {
        "If": _IF,
        "StatelessIf": _IF,
        "Case": _CASE,
        "StatelessCase": _CASE,
        "While": _WHILE,
        "StatelessWhile": _WHILE,
        "PartitionedCall": _PLAIN,
        "StatefulPartitionedCall": _PLAIN,
        "RemoteCall": Call(("f",), 1, ("Tin",), "Tout"),
        "BatchFunction": Call(("f",), 0, ("Tin", "Tcaptured"), "Tout"),
        "MapDefun": Call(("f",), 0, ("Targuments", "Tcaptured"), "output_types"),
    }
)

ASSIGN_OPS = frozenset({"Assign", "AssignVariableOp"})
"""Writes that say the whole value: what restore ops and initializers are made of."""

WRITE_PREFIXES = (
    "Assign",
    "Apply",
    "CountUpTo",
    "DestroyResourceOp",
    "DestroyTemporaryVariable",
    "Resource",
    "Scatter",
    "SparseApply",
    "StridedSliceAssign",
)
"""How the names of ops begin that change the variable they are given (none of them is in `ROLES`)."""


def is_write(op: str) -> bool:
    """Whether an op that is given a variable changes it."""
    return op not in ROLES and op.startswith(WRITE_PREFIXES)
