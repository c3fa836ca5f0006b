"""A progress bar in bytes: only on a terminal, and only for work that takes a while."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tffreeze.cli.show import is_terminal

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE_SECONDS = 0.5
"""Shorter work gets no bar: importing rich alone takes a tenth of a second."""


@contextlib.contextmanager
def progress_bar(quiet: bool) -> Iterator[Bar | None]:
    """Yield a bar; None if stderr is not a terminal."""
    if quiet or not is_terminal(sys.stderr):
        yield None
        return
    bar = Bar()
    try:
        yield bar
    finally:
        bar.close()


class Bar:
    """A bar that imports rich and starts to draw after `PATIENCE_SECONDS`."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._progress: Progress | None = None

    def sending(self, done_bytes: int, total_bytes: int) -> None:
        """Show the progress of an upload."""
        self._update("sending", done_bytes, total_bytes)

    def writing(self, done_bytes: int, total_bytes: int) -> None:
        """Show the progress of the result."""
        self._update("writing", done_bytes, total_bytes)

    def close(self) -> None:
        """Remove the bar from the terminal."""
        if self._progress is not None:
            self._progress.stop()

    def _update(self, what: str, done_bytes: int, total_bytes: int) -> None:
        if self._progress is None:
            if time.monotonic() - self._started < PATIENCE_SECONDS:
                return
            self._progress = _new_progress()
            self._progress.add_task(what, total=total_bytes)
            self._progress.start()
        task = self._progress.task_ids[0]
        self._progress.update(task, description=what, completed=done_bytes, total=total_bytes)


def _new_progress() -> Progress:
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)
