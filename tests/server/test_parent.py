"""The parent is watched without races: ended before, while and after the watch begins."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from server.running import WAIT_SECONDS

PARENT = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]]); sys.stdin.read()"

WATCH = """
import os, sys, time
{before}
from tffreeze_server.server.parent import ParentGoneError, watch_parent
print("started", flush=True)
{meanwhile}
try:
    watch_parent(lambda: (print("gone", flush=True), os._exit(0)))
except ParentGoneError as error:
    print("too late", os.getppid(), flush=True)
    os._exit(0)
print("watching", os.getppid(), flush=True)
time.sleep({patience})
"""

UNTIL_THE_PARENT_HAS_ENDED = """
import select
poll = select.poll()
poll.register(os.pidfd_open(os.getppid()), select.POLLIN)
print("waiting", flush=True)
poll.poll()
"""


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes to be ended after the test."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate(timeout=WAIT_SECONDS)


def watched(
    started: list[subprocess.Popen[str]], before: str = "", meanwhile: str = ""
) -> subprocess.Popen[str]:
    """Start a parent whose child watches it; its output is the child's."""
    program = WATCH.format(before=before, meanwhile=meanwhile, patience=WAIT_SECONDS)
    command = [sys.executable, "-c", PARENT, program]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    started.append(process)
    return process


@pytest.mark.parametrize("before", ["", "del os.pidfd_open"])
def test_the_end_of_the_parent_is_noticed(started: list[subprocess.Popen[str]], before: str) -> None:
    """With a pidfd, and where there is none."""
    parent = watched(started, before)
    assert parent.stdout is not None
    assert ["started\n", f"watching {parent.pid}\n"] == [parent.stdout.readline() for _ in range(2)]
    parent.kill()
    assert "gone\n" == parent.stdout.read()


def test_a_parent_that_has_ended_already_is_noticed(started: list[subprocess.Popen[str]]) -> None:
    """The watch does not begin; nobody waits for init to end."""
    parent = watched(started, meanwhile=UNTIL_THE_PARENT_HAS_ENDED)
    assert parent.stdout is not None
    assert ["started\n", "waiting\n"] == [parent.stdout.readline() for _ in range(2)]
    parent.kill()
    told = parent.stdout.readline()
    if told.startswith("watching") and told != "watching 1\n":
        pytest.skip("something other than init takes orphans here: they cannot be told from children")
    assert "too late 1\n" == told
