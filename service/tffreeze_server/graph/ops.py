"""What we know of ops: the one table of it.

One row an op: its role (what becomes of a node that is, holds or reads a frozen variable), how it calls functions, and
its traits. The rules come first; they tell families of ops by name, also those that no table could list (custom ops).
The sets at the end are made of the table, so that a look-up costs what a look-up in a set costs. An op without a row
has no trait. Facts: the op definitions in TensorFlow's `core/ops/*.cc`.

An op that takes a variable and has neither a role nor a call writes it, or does what a constant cannot stand for.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

# Rules: families of ops, told by their names.

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
"""Of ops that change the variable they are given; those of them with a role do not."""

_TRAINING_PREFIXES = ("Save", "Restore", "MergeV2Checkpoints", "ShardedFilename", "Queue", "Reader")
_GRADIENT_ENDS = ("Grad", "GradEx", *(f"GradV{number}" for number in range(10)))


def is_write(op: str) -> bool:
    """Whether an op that is given a variable changes it."""
    return op not in ROLES and op.startswith(WRITE_PREFIXES)


def is_random(op: str) -> bool:
    """Whether an op gives other numbers each time it runs."""
    return op.startswith("Random") or op in _RANDOM_OPS or op.endswith("CandidateSampler")


def has_side_effect(op: str) -> bool:
    """Whether an op, or a function it runs, may do more than give results."""
    return op in _SIDE_EFFECT_OPS or "Summary" in op or is_write(op)


def is_lookup(op: str) -> bool:
    """Whether an op works on a lookup table that it is given."""
    return op.startswith("LookupTable")


def makes_state_of_one_run(op: str) -> bool:
    """Whether what an op works on is made anew in every run."""
    return op.startswith(("TensorArray", "Stack"))


def only_reads_state(op: str) -> bool:
    """Whether an op without a role changes nothing which lasts."""
    reads_table = op.startswith(("LookupTableExport", "LookupTableFind", "LookupTableSize"))
    return reads_table or makes_state_of_one_run(op)


def is_restore(op: str) -> bool:
    """Whether an op reads a checkpoint."""
    return op.startswith("Restore")


def is_for_training(op: str) -> bool:
    """Whether an op is there for training, saving or summaries, or feeds a queue."""
    has_word = "Summary" in op or "Gradient" in op
    return has_word or op.startswith(_TRAINING_PREFIXES) or op.endswith(_GRADIENT_ENDS)


class Role(enum.Enum):
    """What becomes of a node once the variable it is, holds or reads is a constant."""

    RESOURCE = "a variable read through a handle: a Const"
    REF = "a ref variable: a Const"
    READ = "gives the value: an Identity"
    GATHER = "gives rows of the value: a GatherV2"
    GATHER_ND = "gives elements of the value: a GatherNd"
    SHAPE = "gives the shape: a Shape"
    IS_SET = "tells whether it has a value: a Const that is true"
    FORWARD = "forwards the handle: the same op, on the value"
    REF_FORWARD = "forwards the ref: the plain form of the op"
    NO_OP = "does nothing to a constant: a NoOp"


class Trait(enum.Enum):
    """A fact about an op that a stage acts on."""

    ASSIGN = "sets a variable to a whole value: what restore ops and initializers are made of"
    TIMELESS = "gives the same whenever it runs: it needs no control inputs of the call it is inlined from"
    STATIC = "is as constant as what it reads"
    ONLY_READS = "its only input may be a variable, and then it only reads it"
    SAME_VALUE = "its one output is its first input"
    SAME_FILENAME = "gives the file name that it is given, or one made of it"
    FILENAME = "may hold the file name of a checkpoint"
    FRAME = "enters a frame or branch of TensorFlow 1's control flow"
    BACK_EDGE = "closes a loop of TensorFlow 1: its Merge reads what comes later"
    SWITCH = "gives its input to one of two outputs"
    MERGE = "gives the one of its inputs that arrives"
    INLINED = "calls a function that is inlined"
    CONDITIONAL = "runs one of two functions"
    PLACEHOLDER = "is an input of the graph"
    FED = "has no value unless one is fed"
    ELEMENTS = "gives elements of a dataset or queue"
    SOURCE = "begins the data of a training graph"
    SAVER = "reads or writes checkpoint files, or names them"
    TABLE = "makes a lookup table"
    STATIC_TABLE = "makes a table that is filled once and for all, and that no checkpoint has the contents of"
    DENSE_TABLE = "makes a table that holds and imports its keys as a matrix"
    TABLE_FILLER = "fills a lookup table"
    STATIC_FILLER = "fills static tables only"
    TABLE_IMPORT = "sets all that a table holds"
    TEXT_FILE = "fills a table from a file that its second input names"
    RANDOM = "gives other numbers each time it runs, which its name does not say"
    SIDE_EFFECT = "does more than give results, or runs functions that do"
    NO_RESULT = "gives nothing that could be an output of a model"
    LOSS = "losses and accuracies are made with it"
    FOLDABLE = "is computed by us, on small tensors"
    RESHAPE = "gives the elements of its first input in another shape"


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


class Op(NamedTuple):
    """A row of the table.

    Attributes:
        name: Of the op.
        role: With a frozen variable; None where it has none.
        call: How it calls functions; None where it calls none.
        traits: All other facts.
        handle_inputs: With a role that forwards: the data inputs that it forwards.
        handle_outputs: With a role that forwards: how many of its outputs are what it forwards.
        restore_inputs: Of an op that reads tensors of a checkpoint: how many data inputs it has; 0 for any other.

    """

    name: str
    role: Role | None
    call: Call | None
    traits: tuple[Trait, ...]
    handle_inputs: slice
    handle_outputs: int
    restore_inputs: int


FIRST = slice(1)
"""The data inputs that a forwarding op forwards, where its row says nothing else."""


def _op(  # noqa: PLR0913  one for each column of the table
    name: str,
    *traits: Trait,
    role: Role | None = None,
    call: Call | None = None,
    handle_inputs: slice = FIRST,
    handle_outputs: int = 1,
    restore_inputs: int = 0,
) -> Op:
    return Op(name, role, call, traits, handle_inputs, handle_outputs, restore_inputs)


_IF = Call(("then_branch", "else_branch"), 1, ("Tin",), "Tout", "output_shapes")
_CASE = Call(("branches",), 1, ("Tin",), "Tout", "output_shapes")
_WHILE = Call(("cond", "body"), 0, ("T",), "T", "output_shapes", is_loop=True)
_PLAIN = Call(("f",), 0, ("Tin",), "Tout")

_FORWARD, _REF_FORWARD = Role.FORWARD, Role.REF_FORWARD
_ALL = slice(None)

TABLE: tuple[Op, ...] = (
    # Variables, and what reads and sets them.
    _op("VarHandleOp", Trait.TIMELESS, role=Role.RESOURCE),
    _op("VariableV2", Trait.TIMELESS, role=Role.REF),
    _op("Variable", Trait.TIMELESS, role=Role.REF),
    _op("ReadVariableOp", Trait.ONLY_READS, role=Role.READ),
    _op("ResourceGather", role=Role.GATHER),
    _op("ResourceGatherNd", role=Role.GATHER_ND),
    _op("VariableShape", Trait.ONLY_READS, role=Role.SHAPE),
    _op("VarIsInitializedOp", Trait.ONLY_READS, role=Role.IS_SET),
    _op("IsVariableInitialized", role=Role.IS_SET),
    _op("DisableCopyOnRead", role=Role.NO_OP),
    _op("Assign", Trait.ASSIGN),
    _op("AssignVariableOp", Trait.ASSIGN),
    # What forwards a handle or a ref.
    _op("Identity", Trait.SAME_VALUE, Trait.STATIC, Trait.ONLY_READS, role=_FORWARD),
    _op("IdentityN", role=_FORWARD, handle_inputs=_ALL),
    _op("Enter", Trait.SAME_VALUE, Trait.FRAME, role=_FORWARD),
    _op("Exit", role=_FORWARD),
    _op("NextIteration", Trait.BACK_EDGE, role=_FORWARD),
    _op("Switch", Trait.SWITCH, Trait.FRAME, role=_FORWARD, handle_outputs=2),
    _op("Merge", Trait.MERGE, role=_FORWARD, handle_inputs=_ALL),
    _op("RefIdentity", Trait.SAME_VALUE, role=_REF_FORWARD),
    _op("RefEnter", Trait.SAME_VALUE, Trait.FRAME, role=_REF_FORWARD),
    _op("RefExit", role=_REF_FORWARD),
    _op("RefNextIteration", Trait.BACK_EDGE, role=_REF_FORWARD),
    _op("RefSwitch", Trait.SWITCH, Trait.FRAME, role=_REF_FORWARD, handle_outputs=2),
    _op("RefMerge", Trait.MERGE, role=_REF_FORWARD, handle_inputs=_ALL),
    _op("RefSelect", role=_REF_FORWARD, handle_inputs=slice(1, None)),
    # What calls functions.
    _op("PartitionedCall", Trait.INLINED, call=_PLAIN),
    _op("StatefulPartitionedCall", Trait.INLINED, Trait.SIDE_EFFECT, call=_PLAIN),
    _op("If", Trait.CONDITIONAL, Trait.SIDE_EFFECT, call=_IF),
    _op("StatelessIf", Trait.CONDITIONAL, call=_IF),
    _op("Case", Trait.SIDE_EFFECT, call=_CASE),
    _op("StatelessCase", call=_CASE),
    _op("While", Trait.SIDE_EFFECT, call=_WHILE),
    _op("StatelessWhile", call=_WHILE),
    _op("RemoteCall", call=Call(("f",), 1, ("Tin",), "Tout")),
    _op("BatchFunction", call=Call(("f",), 0, ("Tin", "Tcaptured"), "Tout")),
    _op("MapDefun", call=Call(("f",), 0, ("Targuments", "Tcaptured"), "output_types")),
    # Constants and inputs.
    _op("NoOp", Trait.STATIC, Trait.NO_RESULT),
    _op("Const", Trait.TIMELESS, Trait.FILENAME, Trait.NO_RESULT),
    _op("Placeholder", Trait.PLACEHOLDER, Trait.FED, Trait.TIMELESS, Trait.FILENAME),
    _op("PlaceholderV2", Trait.PLACEHOLDER, Trait.FED),
    _op("PlaceholderWithDefault", Trait.PLACEHOLDER, Trait.FILENAME, Trait.SAME_FILENAME),
    _op("IteratorGetNext", Trait.ELEMENTS),
    _op("IteratorGetNextSync", Trait.ELEMENTS),
    _op("QueueDequeue", Trait.ELEMENTS),
    _op("QueueDequeueV2", Trait.ELEMENTS),
    _op("QueueDequeueMany", Trait.ELEMENTS),
    _op("QueueDequeueManyV2", Trait.ELEMENTS),
    _op("QueueDequeueUpTo", Trait.ELEMENTS),
    _op("QueueDequeueUpToV2", Trait.ELEMENTS),
    _op("OneShotIterator", Trait.SOURCE),
    _op("ReaderReadV2", Trait.SOURCE),
    # Savers (`core/ops/io_ops.cc`).
    _op("Restore", Trait.SAVER, restore_inputs=2),
    _op("RestoreSlice", Trait.SAVER, restore_inputs=3),
    _op("RestoreV2", Trait.SAVER, restore_inputs=3),
    _op("Save", Trait.SAVER, Trait.SIDE_EFFECT),
    _op("SaveSlices", Trait.SAVER),
    _op("SaveV2", Trait.SAVER, Trait.SIDE_EFFECT),
    _op("MergeV2Checkpoints", Trait.SAVER),
    _op("ShardedFilename", Trait.SAVER, Trait.SAME_FILENAME),
    _op("ShardedFilespec", Trait.SAVER),
    # Lookup tables (`core/ops/lookup_ops.cc`).
    _op("HashTable", Trait.TABLE, Trait.STATIC_TABLE),
    _op("HashTableV2", Trait.TABLE, Trait.STATIC_TABLE),
    _op("MutableHashTable", Trait.TABLE),
    _op("MutableHashTableV2", Trait.TABLE),
    _op("MutableHashTableOfTensors", Trait.TABLE),
    _op("MutableHashTableOfTensorsV2", Trait.TABLE),
    _op("MutableDenseHashTable", Trait.TABLE, Trait.DENSE_TABLE),
    _op("MutableDenseHashTableV2", Trait.TABLE, Trait.DENSE_TABLE),
    _op("AnonymousHashTable", Trait.TABLE, Trait.STATIC_TABLE),
    _op("AnonymousMutableHashTable", Trait.TABLE),
    _op("AnonymousMutableHashTableOfTensors", Trait.TABLE),
    _op("AnonymousMutableDenseHashTable", Trait.TABLE, Trait.DENSE_TABLE),
    _op("InitializeTable", Trait.TABLE_FILLER, Trait.STATIC_FILLER),
    _op("InitializeTableV2", Trait.TABLE_FILLER, Trait.STATIC_FILLER),
    _op("InitializeTableFromTextFile", Trait.TABLE_FILLER, Trait.STATIC_FILLER, Trait.TEXT_FILE),
    _op("InitializeTableFromTextFileV2", Trait.TABLE_FILLER, Trait.STATIC_FILLER, Trait.TEXT_FILE),
    # TensorFlow from 1.14 on fills static tables by an import, too (`lookup_ops.py`).
    _op("LookupTableImport", Trait.TABLE_FILLER, Trait.TABLE_IMPORT),
    _op("LookupTableImportV2", Trait.TABLE_FILLER, Trait.TABLE_IMPORT),
    _op("LookupTableInsert", Trait.TABLE_FILLER),
    _op("LookupTableInsertV2", Trait.TABLE_FILLER),
    # Random numbers (`core/ops/random_ops.cc`), and effects.
    _op("TruncatedNormal", Trait.RANDOM),
    _op("ParameterizedTruncatedNormal", Trait.RANDOM),
    _op("Multinomial", Trait.RANDOM),
    _op("Assert", Trait.SIDE_EFFECT, Trait.NO_RESULT),
    _op("Print", Trait.SIDE_EFFECT, Trait.NO_RESULT),
    _op("PrintV2", Trait.SIDE_EFFECT, Trait.NO_RESULT),
    _op("PyFunc", Trait.SIDE_EFFECT),
    _op("EagerPyFunc", Trait.SIDE_EFFECT),
    _op("WriteFile", Trait.SIDE_EFFECT),
    # Arithmetic: what initializers are computed with, and losses.
    _op("Add", Trait.FOLDABLE),
    _op("AddV2", Trait.FOLDABLE),
    _op("Sub", Trait.FOLDABLE, Trait.LOSS),
    _op("Mul", Trait.FOLDABLE, Trait.LOSS),
    _op("RealDiv", Trait.FOLDABLE),
    _op("FloorDiv", Trait.FOLDABLE),
    _op("Maximum", Trait.FOLDABLE),
    _op("Minimum", Trait.FOLDABLE),
    _op("Neg", Trait.FOLDABLE, Trait.LOSS),
    _op("Square", Trait.FOLDABLE, Trait.LOSS),
    _op("LogicalNot", Trait.FOLDABLE),
    _op("LogicalAnd", Trait.FOLDABLE),
    _op("LogicalOr", Trait.FOLDABLE),
    _op("Cast", Trait.FOLDABLE, Trait.LOSS),
    _op("Fill", Trait.FOLDABLE),
    _op("OnesLike", Trait.FOLDABLE),
    _op("ZerosLike", Trait.FOLDABLE),
    _op("Shape", Trait.FOLDABLE),
    _op("Pack", Trait.FOLDABLE),
    _op("Reshape", Trait.FOLDABLE, Trait.RESHAPE),
    _op("ExpandDims", Trait.FOLDABLE, Trait.RESHAPE),
    _op("Squeeze", Trait.FOLDABLE, Trait.RESHAPE),
    _op("Abs", Trait.LOSS),
    _op("AddN", Trait.LOSS),
    _op("Equal", Trait.LOSS),
    _op("L2Loss", Trait.LOSS),
    _op("Log", Trait.LOSS),
    _op("Mean", Trait.LOSS),
    _op("SoftmaxCrossEntropyWithLogits", Trait.LOSS),
    _op("SparseSoftmaxCrossEntropyWithLogits", Trait.LOSS),
    _op("SquaredDifference", Trait.LOSS),
    _op("Sum", Trait.LOSS),
)


_BY_TRAIT: dict[Trait, set[str]] = {trait: set() for trait in Trait}
for _row in TABLE:
    for _trait in _row.traits:
        _BY_TRAIT[_trait].add(_row.name)


def _with(trait: Trait) -> frozenset[str]:
    return frozenset(_BY_TRAIT[trait])


ROLES: Mapping[str, Role] = MappingProxyType({op.name: op.role for op in TABLE if op.role})
CALLS: Mapping[str, Call] = MappingProxyType({op.name: op.call for op in TABLE if op.call})
HANDLE_INPUTS: Mapping[str, slice] = MappingProxyType(
    {op.name: op.handle_inputs for op in TABLE if op.handle_inputs != FIRST}
)
"""By op: the data inputs that it forwards; `FIRST` for those that are not here."""
HANDLE_OUTPUTS: Mapping[str, int] = MappingProxyType(
    {op.name: op.handle_outputs for op in TABLE if op.handle_outputs != 1}
)
"""By op: how many outputs are what it forwards; one for those that are not here."""
RESTORE_INPUTS: Mapping[str, int] = MappingProxyType(
    {op.name: op.restore_inputs for op in TABLE if op.restore_inputs}
)
"""By op that reads tensors of a checkpoint: how many data inputs it has."""

VARIABLE_OPS = frozenset(op for op, role in ROLES.items() if role in (Role.RESOURCE, Role.REF))
FORWARDING_OPS = frozenset(op for op, role in ROLES.items() if role in (Role.FORWARD, Role.REF_FORWARD))
ASSIGN_OPS = _with(Trait.ASSIGN)
TIMELESS_OPS = _with(Trait.TIMELESS)
STATIC_OPS = _with(Trait.STATIC)
READING_OPS = _with(Trait.ONLY_READS)
SAME_VALUE_OPS = _with(Trait.SAME_VALUE)
SAME_FILENAME_OPS = _with(Trait.SAME_FILENAME) | SAME_VALUE_OPS
FILENAME_OPS = _with(Trait.FILENAME)
FRAME_OPS = _with(Trait.FRAME)
BACK_EDGE_OPS = _with(Trait.BACK_EDGE)
SWITCH_OPS = _with(Trait.SWITCH)
MERGE_OPS = _with(Trait.MERGE)
INLINED_OPS = _with(Trait.INLINED)
CONDITIONAL_OPS = _with(Trait.CONDITIONAL)
PLACEHOLDER_OPS = _with(Trait.PLACEHOLDER)
FED_OPS = _with(Trait.FED)
DEFAULT_OPS = PLACEHOLDER_OPS - FED_OPS
INPUT_OPS = PLACEHOLDER_OPS | _with(Trait.ELEMENTS)
SOURCE_OPS = INPUT_OPS | _with(Trait.SOURCE)
SAVER_OPS = _with(Trait.SAVER)
TABLE_OPS = _with(Trait.TABLE)
STATIC_TABLE_OPS = _with(Trait.STATIC_TABLE)
DENSE_TABLE_OPS = _with(Trait.DENSE_TABLE)
TABLE_FILLER_OPS = _with(Trait.TABLE_FILLER)
STATIC_FILLER_OPS = _with(Trait.STATIC_FILLER)
TABLE_IMPORT_OPS = _with(Trait.TABLE_IMPORT)
TEXT_FILE_OPS = _with(Trait.TEXT_FILE)
NO_RESULT_OPS = _with(Trait.NO_RESULT) | VARIABLE_OPS | TABLE_OPS | TABLE_FILLER_OPS
LOSS_OPS = _with(Trait.LOSS)
FOLDABLE_OPS = _with(Trait.FOLDABLE)
RESHAPE_OPS = _with(Trait.RESHAPE)
_RANDOM_OPS = _with(Trait.RANDOM)
_SIDE_EFFECT_OPS = _with(Trait.SIDE_EFFECT)
