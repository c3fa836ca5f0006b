"""Capabilities and limits of a server: `GetCapabilitiesResponse` and `Limits` of the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tffreeze_common.dataclass_fields import as_json, from_message

if TYPE_CHECKING:
    from tffreeze.v1 import freeze_service_pb2


_MAX_INT32, _MAX_INT64 = (1 << 31) - 1, (1 << 63) - 1

_BOUNDS = {
    "max_upload_bytes": (0, _MAX_INT64),
    "max_upload_files": (1, _MAX_INT32),
    "max_file_name_bytes": (1, _MAX_INT32),
    "max_chunk_bytes": (1, 2 << 20),
    "max_content_chunk_bytes": (0, 1 << 20),
    "max_result_bytes": (0, _MAX_INT32),
    "max_jobs_per_caller": (0, _MAX_INT32),
    "max_call_seconds": (0, _MAX_INT32),
    "max_idle_seconds": (0, _MAX_INT32),
}
"""Smallest and largest value of each limit that the contract allows."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a server; 0: no limit."""

    max_upload_bytes: int
    max_upload_files: int
    max_file_name_bytes: int
    max_chunk_bytes: int
    max_content_chunk_bytes: int
    max_result_bytes: int
    max_jobs_per_caller: int
    max_call_seconds: int
    max_idle_seconds: int
    min_bytes_per_second: int


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server can do.

    Attributes:
        server_version: Such as `0.1.0`.
        limits: Its limits.
        deliveries: Such as `content` and `splice`.
        model_roots: Names of the model roots that this caller may use.

    """

    server_version: str
    limits: Limits
    deliveries: tuple[str, ...]
    model_roots: tuple[str, ...]

    @classmethod
    def from_message(cls, message: freeze_service_pb2.GetCapabilitiesResponse) -> Capabilities:
        """Read the message of the contract.

        Raises:
            ServiceError: INTERNAL: a value breaks the contract.

        """
        from tffreeze.parse import broken  # noqa: PLC0415 - `import tffreeze` needs no protobuf
        from tffreeze.v1 import freeze_service_pb2  # noqa: PLC0415 - the same

        for name, (lowest, highest) in _BOUNDS.items():
            value = getattr(message.limits, name)
            if not lowest <= value <= highest:
                raise broken(f"announced {name} = {value}, which is not in {lowest} to {highest}")
        if not message.deliveries:
            raise broken("knows no delivery")
        names = {number: name for name, number in freeze_service_pb2.Delivery.items()}
        known = [names[number] for number in message.deliveries if number in names]
        return cls(
            message.server_version,
            from_message(Limits, message.limits),
            tuple(name.removeprefix("DELIVERY_").lower() for name in known),
            tuple(message.model_roots),
        )

    def to_json(self) -> dict[str, Any]:
        """Convert to a dict for `json.dumps`."""
        return as_json(self)
