"""Mixed calls for a while, and what the server holds before and after.

Theory of operation. A quarter of the time warms the server up: modules, thread pools, buffers that are kept. Then
it is let be until nothing of any call is left, and measured; the rest of the time is the soak; then it must come back
to what it held. Descriptors, processes and the spool
come back exactly. Memory within `SLACK_BYTES`: glibc keeps some megabytes of what is freed in
each of its arenas (`tffreeze/allocator.py`). There is only one, or that would hide what leaks.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from rpc.models import FIXTURES, large_model
from server.processes import wait_until
from server.running import Running, running
from soak.calls import KINDS, MAX_IDLE_SECONDS
from soak.footprint import Footprint, footprint
from tffreeze_server.server import exit_codes

SLACK_BYTES = 24_000_000
ENVIRONMENT = {"MALLOC_ARENA_MAX": "1"}
THREADS = 6
MAX_CALLS = 200_000

_SETTLE_SECONDS = 0.5


@dataclass
class Soaked:
    """What a soak came to.

    Attributes:
        before: What the server held after the warm-up.
        after: What it held at the end.
        ends: How many calls of each kind ended how.
        unexpected: Ends that should not be.
        code: The exit code of the server.

    """

    before: Footprint
    after: Footprint
    ends: Counter[tuple[str, str]]
    unexpected: list[str] = field(default_factory=list)
    code: int = 0

    def faults(self) -> list[str]:
        """What is wrong; nothing, if all is well."""
        faults = list(self.unexpected)
        if not self.after.is_within(self.before, SLACK_BYTES):
            faults.append(
                f"it held {self.before} and holds {self.after}: "
                f"{self.after.descriptors - self.before.descriptors} more"
            )
        faults += [f"no call {kind!r}" for kind in KINDS if not any(made == kind for made, _ in self.ends)]
        if self.code != exit_codes.OK:
            faults.append(f"the server ended with {self.code}")
        return faults


def soak(folder: Path, seconds: float, seed: int) -> Soaked:
    """Run a server and soak it.

    Args:
        folder: For the spool and the models.
        seconds: How long, with the warm-up.
        seed: Of what is chosen at random.

    """
    large_model(folder / "large")
    flags = ("--max-idle-seconds", str(MAX_IDLE_SECONDS))
    flags += ("--model-root", f"samples={FIXTURES}", "--model-root", f"large={folder / 'large'}")
    flags += ("--max-jobs", str(THREADS - 1), "--max-queued-jobs", "1")
    flags += ("--max-upload-bytes", "64MiB", "--max-spool-bytes", "128MiB")
    with running(folder, *flags, environment=ENVIRONMENT) as server:

        def look() -> Footprint:
            return footprint(server.process.pid, folder / "spool")

        mixed = Mixed(server, seed)
        mixed.every_kind()
        mixed.run(seconds / 4)
        before = _settled(look)
        mixed.run(seconds * 3 / 4)
        wait_until(lambda: look().is_within(before, SLACK_BYTES))
        after = look()
        errors = [str(event) for event in server.log.events if event["level"] == "error"]
        unexpected = mixed.unexpected + errors
        return Soaked(before, after, mixed.ends, unexpected, server.stop())


class Mixed:
    """Calls of all kinds, by some threads."""

    def __init__(self, server: Running, seed: int) -> None:
        self.ends: Counter[tuple[str, str]] = Counter()
        self.unexpected: list[str] = []
        self._server = server
        self._random = Random(seed)
        self._lock = threading.Lock()

    def every_kind(self) -> None:
        """Make one call of each kind."""
        for name in KINDS:
            self._make(name, self._random)

    def run(self, seconds: float) -> None:
        """Make calls for so long, and wait for the last."""
        until = time.monotonic() + seconds
        randoms = [Random(self._random.random()) for _ in range(THREADS)]
        threads = [threading.Thread(target=self._calls, args=(until, random)) for random in randoms]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _calls(self, until: float, random: Random) -> None:
        names, shares = list(KINDS), [kind.share for kind in KINDS.values()]
        while time.monotonic() < until and self.ends.total() < MAX_CALLS and not self.unexpected:
            self._make(random.choices(names, shares)[0], random)

    def _make(self, name: str, random: Random) -> None:
        kind = KINDS[name]
        try:
            end = kind.make(self._server, random)
        except Exception as error:
            end = repr(error)
        with self._lock:
            self.ends[name, end] += 1
            if end not in kind.may_end | {"TOO_MANY_JOBS"}:
                self.unexpected.append(f"a call {name!r} ended with {end}")


def _settled(look: Callable[[], Footprint]) -> Footprint:
    """Wait until nothing of any call is left: until two looks are alike."""
    looks = [look()]

    def same() -> bool:
        time.sleep(_SETTLE_SECONDS)
        looks.append(look())
        old, new = looks[-2:]
        return (old.processes, old.descriptors, old.spool_files) == (
            new.processes,
            new.descriptors,
            new.spool_files,
        )

    assert wait_until(same), looks
    return looks[-1]
