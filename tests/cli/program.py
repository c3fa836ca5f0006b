"""The program as its users run it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
DIGITS = str(FIXTURES / "digits")
PROGRAM = (sys.executable, "-m", "tffreeze")


@dataclass(frozen=True)
class Run:
    """How a process ended and what it wrote."""

    code: int
    out: str
    err: str
    out_bytes: bytes


def environment(**changes: str) -> dict[str, str]:
    """The environment of a run: this one, without what would change the output."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("TFFREEZE_", "NO_COLOR"))}
    return {**kept, **changes}


def start(*arguments: str, cwd: Path | None = None, **streams: int) -> subprocess.Popen[bytes]:
    """Start `tffreeze` with streams of the test's choice."""
    return subprocess.Popen([*PROGRAM, *arguments], cwd=cwd, env=environment(), **streams)  # type: ignore[call-overload, no-any-return]  # streams by name


def tffreeze(*arguments: str, cwd: Path | None = None, **changes: str) -> Run:
    """Run `tffreeze` to its end; both streams are pipes."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        capture_output=True,
        cwd=cwd,
        env=environment(**changes),
        timeout=120,
        check=False,
    )
    return Run(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(), done.stdout)
