"""Reading in one thread while another one writes.

Reading with its crc32c and writing both release the GIL, so on two cores a copy with the check takes little longer
than one without.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from queue import Queue
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _End:
    """The last item of the queue, with the exception that ended it, if any."""

    error: BaseException | None = None


def read_ahead(items: Iterable[T], max_items: int) -> Generator[T, None, None]:
    """Run an iterator in its own thread, at most `max_items` ahead of the caller.

    An exception of the iterator is raised here. If the caller stops early, the thread ends at its next item.
    """
    queue: Queue[T | _End] = Queue(max_items)
    gone = threading.Event()
    thread = threading.Thread(target=_fill, args=(items, queue, gone), name="read-ahead", daemon=True)
    thread.start()
    item: T | _End = _End()
    try:
        while not isinstance(item := queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        gone.set()
        while thread.is_alive() and not isinstance(item, _End):
            item = queue.get()
        thread.join()


def _fill(items: Iterable[T], queue: Queue[T | _End], gone: threading.Event) -> None:
    end = _End()
    try:
        for item in items:
            if gone.is_set():
                break
            queue.put(item)
    except BaseException as error:  # any exception: the caller's thread raises it
        end = _End(error)
    finally:
        queue.put(end)
