"""The request, and the check that the server announces what was requested.

The server is not trusted. Nothing is opened and no space is allocated before all of `started` has been checked
against the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tffreeze.local_file import LocalFile
from tffreeze.parse import broken
from tffreeze.v1 import freeze_service_pb2

MAX_RESULT_BYTES = (1 << 31) - 1
"""The limit of a protobuf message."""

MAX_ASSETS = 10_000
MAX_NAME_PARTS = 16
MAX_PART_BYTES = 255
"""Of one part of a name in UTF-8, as file systems limit it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that results are checked against.

    Attributes:
        spec: As it was sent.
        files: The caller's files, as declared; empty for a model root.

    """

    spec: freeze_service_pb2.FreezeSpec
    files: Sequence[LocalFile] = ()

    @property
    def is_spliced(self) -> bool:
        """Whether the result is assembled from the caller's own files."""
        return self.spec.delivery == freeze_service_pb2.DELIVERY_SPLICE

    def check(self, started: freeze_service_pb2.FreezeStarted) -> None:
        """Refuse what was not requested.

        Raises:
            ServiceError: INTERNAL.

        """
        if not started.files or started.files[0].name != self._first_name():
            raise broken(f"sent other files than the requested {self._first_name()!r}")
        if started.delivery != self.spec.delivery:
            raise broken("sent the result with another delivery than requested")
        _check_first(started)
        self._check_assets(started.files[1:])
        if started.total_size_bytes != sum(file.size_bytes for file in started.files):
            raise broken("sent a total size that is not the sum of its files")

    def _first_name(self) -> str:
        stem = "saved_model" if self.spec.options.as_saved_model else "frozen"
        return f"{stem}.pbtxt" if self.spec.options.as_text else f"{stem}.pb"

    def _check_assets(self, assets: Sequence[freeze_service_pb2.OutputFile]) -> None:
        if assets and not self.spec.options.as_saved_model:
            raise broken("sent assets without a SavedModel")
        if len(assets) > MAX_ASSETS:
            raise broken(f"sent {len(assets):,} assets; at most {MAX_ASSETS:,} are allowed")
        for asset in assets:
            if not _is_asset(asset.name) or asset.size_bytes < 0:
                raise broken(f"sent {asset.name[:200]!r}, which is not an asset")
        _check_apart([asset.name for asset in assets])
        if self.spec.source.HasField("upload"):
            self._check_uploaded(assets)

    def _check_uploaded(self, assets: Sequence[freeze_service_pb2.OutputFile]) -> None:
        for asset in assets:
            own = self.own_file(asset.name)
            if own is None or own.size_bytes != asset.size_bytes:
                raise broken(f"sent an asset {asset.name!r} that is not the model's")

    def own_file(self, asset: str) -> LocalFile | None:
        """The caller's own file that an asset must equal; None for a model root."""
        model = self.spec.source.model
        files = {file.name: file for file in self.files}
        folder = model.rpartition("/")[0] if model in files else model
        return files.get(f"{folder}/{asset}")


def _check_first(started: freeze_service_pb2.FreezeStarted) -> None:
    """Check the first file against the report and the size limit."""
    first, report = started.files[0], started.report
    if not 0 <= first.size_bytes <= MAX_RESULT_BYTES:
        raise broken(f"announced {first.size_bytes:,} bytes, but a protobuf message is at most 2 GiB")
    if not first.HasField("crc32c"):
        raise broken("sent no crc32c of the result")
    if (report.size_bytes, report.crc32c) != (first.size_bytes, f"{first.crc32c:08x}"):
        raise broken("sent a report that does not match the result")


def _is_asset(name: str) -> bool:
    parts = name.split("/")
    is_path = all(parts) and not {".", ".."} & set(parts) and "\\" not in name and "\0" not in name
    is_short = len(parts) <= MAX_NAME_PARTS and all(len(part.encode()) <= MAX_PART_BYTES for part in parts)
    return is_path and is_short and parts[0] == "assets" and len(parts) > 1


def _check_apart(names: Sequence[str]) -> None:
    """Refuse names that differ only in case, and a name that is a folder of another."""
    folded = {name.casefold() for name in names}
    folders = {name[:at] for name in folded for at, letter in enumerate(name) if letter == "/"}
    if len(folded) < len(names) or folded & folders:
        raise broken("sent two assets with the same path")
