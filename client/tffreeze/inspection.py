"""The inspection of a model as frozen dataclasses, with the fields of the contract.

`proto/tffreeze/v1/inspection.proto` explains each field. Two things are simpler here: a shape is a tuple (None if
the rank is unknown), and a status is a string.
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
    """The variables that the outputs of a signature, or outputs given by name, need."""

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
    """What a model contains, and what would make a freeze fail."""

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
        """Convert to a dict for `json.dumps`."""
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
"""The fields that hold messages, and the dataclass of each."""
