"""What a server holds: processes, file descriptors, memory, its spool."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from server.processes import descendants

PLANNER = b"tffreeze_server.rpc.planner_main"
_RANDOM = re.compile(r"-[0-9a-f]{16}$")
"""The end of the name of a worker's or call's folder: another one has another."""


@dataclass(frozen=True)
class Footprint:
    """What a server holds.

    Attributes:
        processes: Serving ones and planners.
        descriptors: What the open ones are, and how many.
        memory_bytes: Resident, of the serving processes. Planners are let be: each is as large as its last model.
        spool_files: Files and folders in the spool.
        spool_bytes: Of those files.

    """

    processes: int
    descriptors: Counter[str]
    memory_bytes: int
    spool_files: int
    spool_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.processes} processes, {self.descriptors.total()} file descriptors, "
            f"{self.memory_bytes / 1e6:.1f} MB, spool {self.spool_files} files of {self.spool_bytes} bytes"
        )

    def is_within(self, other: Footprint, slack_bytes: int) -> bool:
        """Whether it holds no more than another, but for some memory."""
        return (
            self.processes <= other.processes
            and self.descriptors <= other.descriptors
            and self.spool_files <= other.spool_files
            and self.spool_bytes <= other.spool_bytes
            and self.memory_bytes <= other.memory_bytes + slack_bytes
        )


def footprint(pid: int, spool: Path) -> Footprint:
    """Look at a server."""
    pids = descendants(pid)
    serving = [pid for pid in pids if PLANNER not in _read(pid, "cmdline")]
    files = [path for path in spool.rglob("*") if path.is_dir() or path.is_file()]
    return Footprint(
        len(pids),
        sum(map(_descriptors, pids), Counter()),
        sum(map(_memory_bytes, serving)),
        len(files),
        sum(path.stat().st_size for path in files if path.is_file()),
    )


def _descriptors(pid: int) -> Counter[str]:
    kinds: Counter[str] = Counter()
    with contextlib.suppress(OSError):  # it has ended
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # it has been closed
                name = entry.readlink().name.partition(":[")[0]
                kinds[_RANDOM.sub("-…", name)] += 1
    return kinds


def _memory_bytes(pid: int) -> int:
    lines = _read(pid, "status").split(b"VmRSS:")
    return int(lines[1].split()[0]) * 1024 if len(lines) > 1 else 0


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
