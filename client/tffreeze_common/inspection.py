"""What a model is, before any freeze: the fields of the contract (`inspection.proto`), one to one."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from tffreeze_common.dataclass_fields import as_json
from tffreeze_common.report import Shape


class VariableStatus(enum.StrEnum):
    """How a variable stands to the checkpoint; in the order of the contract's numbers."""

    UNSPECIFIED = "UNSPECIFIED"
    """One that this version does not know."""
    FOUND = "FOUND"
    """The checkpoint or an initializer has its value."""
    MISSING = "MISSING"
    """Nothing has its value."""
    MISMATCH = "MISMATCH"
    """The checkpoint has it with another shape or dtype."""
    NO_CHECKPOINT = "NO_CHECKPOINT"
    """No checkpoint was given."""


@dataclass(frozen=True, slots=True)
class TensorInspection:
    """A tensor.

    Attributes:
        key: Its key in the signature; empty outside of one.
        tensor: Its name, `node:index`.
        dtype: Such as `float32` or `string`; empty where unknown.
        shape: Sizes, -1 where a size is open; None where the rank is unknown.
        op: The op that makes it; empty where the node is not there.

    """

    key: str
    tensor: str
    dtype: str
    shape: Shape
    op: str


@dataclass(frozen=True, slots=True)
class SignatureInspection:
    """A signature.

    Attributes:
        key: Such as `serving_default`.
        method_name: Such as `tensorflow/serving/predict`.
        inputs: By key.
        outputs: By key.

    """

    key: str
    method_name: str
    inputs: tuple[TensorInspection, ...]
    outputs: tuple[TensorInspection, ...]


@dataclass(frozen=True, slots=True)
class SaverInspection:
    """A saver.

    Attributes:
        restore_op: The node to run to restore.
        filename_tensor: The tensor that the checkpoint's prefix is fed to; empty where unknown.
        origin: Where it was found.

    """

    restore_op: str
    filename_tensor: str
    origin: str


@dataclass(frozen=True, slots=True)
class AssetInspection:
    """An asset.

    Attributes:
        tensor: The tensor that a loader feeds its path to.
        file: The file below `assets/`.

    """

    tensor: str
    file: str


@dataclass(frozen=True, slots=True)
class VariableInspection:
    """A variable and how it stands to the checkpoint.

    Attributes:
        name: Its name: shared_name, or the name of its node.
        op: `VarHandleOp`, `VariableV2` or `Variable`.
        dtype: Such as `float32`.
        shape: In the graph; None where the rank is unknown.
        status: How it stands to the checkpoint.
        key: The checkpoint key it would come from; empty where there is none.
        source: As `VariableReport.source`; empty where it was not found.
        message: Whole sentences where the status is not FOUND.
        size_bytes: Of its value; 0 where unknown.

    """

    name: str
    op: str
    dtype: str
    shape: Shape
    status: VariableStatus
    key: str
    source: str
    message: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class NeedInspection:
    """What outputs need of the variables, and what of it is there.

    Attributes:
        signature_key: The signature whose outputs they are; empty where outputs were asked for by name.
        variables: Names of the variables they need, sorted.
        found: How many of these have a value.
        size_bytes: Of their values; those without a value count as the graph declares them.

    """

    signature_key: str
    variables: tuple[str, ...]
    found: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ObstacleInspection:
    """What would make a freeze fail.

    Attributes:
        reason: The name of the `Reason`.
        message: Whole sentences.
        subject: What it is about.

    """

    reason: str
    message: str
    subject: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What there is to freeze, and what would stand in the way.

    Attributes:
        kind: What the model is: a `ModelKind`.
        all_tags: Of every MetaGraph there is, each sorted.
        tags: Of the one that all below is about, sorted.
        signatures: By key.
        savers: The most authoritative first.
        init_ops: Nodes that a loader runs after the restore, in order.
        assets: By file.
        variables: By name; those in function bodies too.
        extra_keys: Checkpoint keys that no variable of the graph needs.
        candidate_outputs: What could be an output, the likeliest first. Empty where there are signatures.
        inputs: Placeholders and what gives the elements of a dataset or queue, in file order.
        obstacles: What would make a freeze fail.
        nodes: Nodes of the graph, function bodies not counted.
        functions: Functions of its library.
        needs: What each signature needs of the variables, or the outputs asked for by name. None for one whose
            graph cannot be told: `obstacles` says why.

    """

    kind: str
    all_tags: tuple[tuple[str, ...], ...]
    tags: tuple[str, ...]
    signatures: tuple[SignatureInspection, ...]
    savers: tuple[SaverInspection, ...]
    init_ops: tuple[str, ...]
    assets: tuple[AssetInspection, ...]
    variables: tuple[VariableInspection, ...]
    extra_keys: tuple[str, ...]
    candidate_outputs: tuple[TensorInspection, ...]
    inputs: tuple[TensorInspection, ...]
    obstacles: tuple[ObstacleInspection, ...]
    nodes: int
    functions: int
    needs: tuple[NeedInspection, ...]

    def to_json(self) -> dict[str, Any]:
        """Give it as what `json.dumps` takes: the names of the fields, plain numbers."""
        return as_json(self)
