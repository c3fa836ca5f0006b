"""What a planner gives back for a freeze, and the server delivers. Imports no engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tffreeze_common.report import Report
from tffreeze_server.plan.plan import Plan
from tffreeze_server.rpc.beneath import FilesBeneath, Identity
from tffreeze_server.tensors.files import SourceFiles


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that goes with a SavedModel.

    Attributes:
        name: Its path in the result, `assets/…`.
        path: Where it is.
        size_bytes: Its size when it was planned.

    """

    name: str
    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Result:
    """What is to be delivered.

    Attributes:
        name: Of the first file.
        plan: Of the first file.
        assets: The other files.
        report: What was frozen from what.
        found: Which files the plan was made of: nothing else is read to send it.

    """

    name: str
    plan: Plan
    assets: tuple[Asset, ...]
    report: Report
    found: Mapping[Path, Identity]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return self.plan.size_bytes + sum(asset.size_bytes for asset in self.assets)

    def open_sources(self, folder: Path) -> SourceFiles:
        """Give the files that its plan and assets are read from: those that were found beneath `folder`, no others."""
        paths = {**self.plan.files, **{asset.name: asset.path for asset in self.assets}}
        return SourceFiles(paths, FilesBeneath(folder, self.found).open_found)
