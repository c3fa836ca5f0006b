"""Exceptions cross processes, and can be printed."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

from tffreeze.errors import CLASSES, error_for
from tffreeze_server.errors import FreezeError, Reason

WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol))
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
}


def _client_error(reason: str) -> Exception:
    error = error_for(reason, "A sentence.", "thing", retryable=True)
    error.retry_after_seconds = 2.5
    error.add_note("a note")
    return error


ERRORS = [
    *map(_client_error, CLASSES),
    FreezeError(Reason.MODEL_NOT_FOUND, "A sentence.", subject="thing"),
    FreezeError(Reason.UPLOAD_MALFORMED, "A sentence.", subject="thing", field="chunk.data"),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{type(error).__name__} {error.reason}")
def test_an_error_is_made_anew(error: Exception, way: str) -> None:
    """Class, message and every attribute are those of the first, the client's and the engine's."""
    again: Any = WAYS[way](error)
    assert again is not error
    assert (type(error), error.args, str(error)) == (type(again), again.args, str(again))
    assert vars(error) == vars(again)


def _fail() -> None:
    raise _client_error("MODEL_NOT_FOUND")


def test_an_error_leaves_a_process_pool() -> None:
    """What a worker raises is what the caller gets; it once broke the pool."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        error = pool.submit(_fail).exception()
    assert vars(_client_error("MODEL_NOT_FOUND")) == {
        name: value for name, value in vars(error).items() if name != "__cause__"
    }


def test_a_traceback_holds_no_escape_sequences() -> None:
    """The text of a server cannot colour or clear the terminal of a program that does not catch it."""
    error = error_for("INTERNAL", "It \x1b[2Jfailed\n\u202eesrever: ü.")
    assert "It \\x1b[2Jfailed\\n\\u202eesrever: ü. [INTERNAL]" == str(error)
    assert "\x1b" in error.message
