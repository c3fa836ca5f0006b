"""What a model is: typed, frozen, the fields of the contract one to one.

What each field means stands in `proto/tffreeze/v1/inspection.proto`. Two things are plainer than there: a shape is
a tuple (None where the rank is unknown), and a status is a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tffreeze.convert import Shape, as_json, read

if TYPE_CHECKING:
    from tffreeze.v1 import inspection_pb2


@dataclass(frozen=True, slots=True)
class TensorInspection:
    """A tensor of a model."""

    key: str
    tensor: str
    dtype: str
    shape: Shape
    op: str


@dataclass(frozen=True, slots=True)
class SignatureInspection:
    """A signature of a model."""

    key: str
    method_name: str
    inputs: tuple[TensorInspection, ...]
    outputs: tuple[TensorInspection, ...]


@dataclass(frozen=True, slots=True)
class SaverInspection:
    """A saver of a model."""

    restore_op: str
    filename_tensor: str
    origin: str


@dataclass(frozen=True, slots=True)
class AssetInspection:
    """An asset of a model."""

    tensor: str
    file: str


@dataclass(frozen=True, slots=True)
class VariableInspection:
    """A variable of a model; `status` is FOUND, MISSING, MISMATCH or NO_CHECKPOINT."""

    name: str
    op: str
    dtype: str
    shape: Shape
    status: str
    key: str
    source: str
    message: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class NeedInspection:
    """What the outputs of a signature, or those asked for by name, need of the variables."""

    signature_key: str
    variables: tuple[str, ...]
    found: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ObstacleInspection:
    """What would make a freeze fail."""

    reason: str
    message: str
    subject: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What there is to freeze, and what would stand in the way."""

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

    @classmethod
    def from_message(cls, message: inspection_pb2.Inspection) -> Inspection:
        """Read the message of the contract."""
        return read(cls, message, _ITEMS)

    def to_json(self) -> dict[str, Any]:
        """Give it as what `json.dumps` takes: the names of the fields, plain numbers."""
        return as_json(self)


_ITEMS: dict[type, dict[str, type]] = {
    SignatureInspection: {"inputs": TensorInspection, "outputs": TensorInspection},
    Inspection: {
        "signatures": SignatureInspection,
        "savers": SaverInspection,
        "assets": AssetInspection,
        "variables": VariableInspection,
        "candidate_outputs": TensorInspection,
        "inputs": TensorInspection,
        "obstacles": ObstacleInspection,
        "needs": NeedInspection,
    },
}
"""Which fields hold messages, and how each of them is read."""
