"""A supervisor that is PID 1 buries what a killed worker leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from server.processes import children, is_there, wait_until
from server.running import running

AS_PID_1 = ("unshare", "--pid", "--fork", "--kill-child")


def test_planners_of_a_killed_worker_are_buried(tmp_path: Path) -> None:
    """They end with their worker, and PID 1 waits for them: none stays as a zombie, and the worker is replaced."""
    if (
        shutil.which("unshare") is None
        or subprocess.run([*AS_PID_1, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip(
            "a namespace of process numbers can only be made by root, with unshare of util-linux 2.32"
        )
    with running(tmp_path, "--workers", "2", "--planning-processes", "2", inside=AS_PID_1) as server:
        assert 1 == server.log.wait("listening")["pid"]
        supervisor, *none = children(server.process.pid)
        assert [] == none
        worker, other = children(supervisor)
        planners = children(worker)
        assert 2 == len(planners)
        os.kill(worker, signal.SIGKILL)
        died = server.log.wait("worker died")
        assert -signal.SIGKILL == died["code"]  # and was not buried as an orphan
        server.log.wait("worker", 3, serving=True)
        assert wait_until(lambda: not any(map(is_there, [worker, *planners])))
        assert worker not in children(supervisor)
        assert other in children(supervisor)
