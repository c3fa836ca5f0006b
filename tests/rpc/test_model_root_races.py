"""Model roots in which things change while a call is served: what was planned is sent, or nothing."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from rpc.harness import Failure, Served, answer, failure, failure_of, served
from rpc.models import DIGITS, FIXTURES, FreezeRequest, FreezeSpec
from tffreeze.v1.model_pb2 import ModelSource
from tffreeze_server.rpc.observer import Stage

SHARD = DIGITS.names[-1]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A model root with a copy of each sample."""
    shutil.copytree(FIXTURES, tmp_path / "root")
    return tmp_path / "root"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A copy outside of the root whose checkpoint is damaged: who reads it says so."""
    shutil.copytree(FIXTURES, tmp_path / "secret")
    for name in DIGITS.names[1:]:
        path = tmp_path / "secret/digits" / name
        path.write_bytes(bytes(byte ^ 0xFF for byte in path.read_bytes()))
    return tmp_path / "secret"


def freeze(server: Served, model: str = "digits") -> bytes:
    """Freeze by CONTENT."""
    spec = FreezeSpec(source=ModelSource(model_root="r", model=model))
    return answer(server.stub.Freeze(iter([FreezeRequest(spec=spec)]))).frozen


def freeze_with_change(folder: Path, root: Path, change: Callable[[], object]) -> Failure:
    """Freeze, with a change just when the plan is made and nothing of it is sent."""
    with served(folder, model_roots={"r": root}) as server:
        tell = server.recorder.stage

        def stage(stage: Stage, seconds: float) -> None:
            tell(stage, seconds)
            if stage is Stage.PLANNING:
                change()

        server.recorder.stage = stage  # type: ignore[method-assign]  # the observer is where a test may step in
        failed = failure(lambda: freeze(server))
        server.wait_until_idle()
        return failed


def exchange(path: Path, target: Path) -> None:
    """Put a link in the place of a file or folder."""
    path.rename(path.with_name("kept"))
    path.symlink_to(target)


def test_a_link_out_instead_of_a_shard(tmp_path: Path, root: Path, secret: Path) -> None:
    """A shard that became a link out of the root is not sent."""
    failed = freeze_with_change(
        tmp_path, root, lambda: exchange(root / "digits" / SHARD, secret / "digits" / SHARD)
    )
    assert ("FILE_NOT_READABLE", f"digits/{SHARD}") == (failed.reason, failed.subject)


def test_a_link_out_instead_of_a_folder(tmp_path: Path, root: Path, secret: Path) -> None:
    """Nor is one whose folder became a link out of the root."""
    failed = freeze_with_change(
        tmp_path, root, lambda: exchange(root / "digits/variables", secret / "digits/variables")
    )
    assert ("FILE_NOT_READABLE", "digits/variables") == (failed.reason, failed.subject)


def test_another_file_of_the_root(tmp_path: Path, root: Path) -> None:
    """Nor another file of the root, though it holds the same bytes: it is not what the plan was made of."""
    shutil.copy(root / "digits" / SHARD, root / "same")
    failed = freeze_with_change(tmp_path, root, lambda: exchange(root / "digits" / SHARD, root / "same"))
    assert ("FILE_NOT_READABLE", Path(SHARD).name) == (failed.reason, failed.subject)


def test_a_longer_file(tmp_path: Path, root: Path) -> None:
    """Nor a file that has grown."""

    def grow() -> None:
        with (root / "digits" / SHARD).open("ab") as stream:
            stream.write(b"more")

    failed = freeze_with_change(tmp_path, root, grow)
    assert ("FILE_NOT_READABLE", Path(SHARD).name) == (failed.reason, failed.subject)


def test_a_pipe_instead_of_a_shard(tmp_path: Path, root: Path) -> None:
    """A pipe in the place of a shard is not waited for."""

    def put_pipe() -> None:
        (root / "digits" / SHARD).unlink()
        os.mkfifo(root / "digits" / SHARD)

    failed = freeze_with_change(tmp_path, root, put_pipe)
    assert ("FILE_NOT_READABLE", Path(SHARD).name) == (failed.reason, failed.subject)


def test_a_shard_that_is_gone(tmp_path: Path, root: Path) -> None:
    """A shard that is gone is told as one."""
    failed = freeze_with_change(tmp_path, root, (root / "digits" / SHARD).unlink)
    assert ("SHARD_NOT_FOUND", Path(SHARD).name) == (failed.reason, failed.subject)


def test_a_folder_that_is_a_link_now_and_then(tmp_path: Path, root: Path, secret: Path) -> None:
    """While a folder and a link out change places all the time, a call gives the right result or an honest reason."""
    variables, link = root / "digits/variables", root / "digits/link"
    link.symlink_to(secret / "digits/variables")
    ended = threading.Event()
    seen: set[str | bytes] = set()
    with served(tmp_path, model_roots={"r": root}) as server:
        expected = freeze(server)

        def exchange_on_and_on() -> None:
            while not ended.is_set():
                variables.rename(root / "digits/kept")
                link.rename(variables)
                variables.rename(link)
                (root / "digits/kept").rename(variables)

        thread = threading.Thread(target=exchange_on_and_on)
        thread.start()
        try:
            for _ in range(60):
                try:
                    seen.add(freeze(server))
                except grpc.RpcError as error:
                    seen.add(failure_of(error).reason)
        finally:
            ended.set()
            thread.join()
        seen.discard(expected)
        assert seen <= {"FILE_NOT_READABLE", "SHARD_NOT_FOUND", "CHECKPOINT_NOT_FOUND"}
        assert expected == freeze(server)
