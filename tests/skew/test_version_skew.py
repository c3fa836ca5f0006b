"""Clients and servers of different versions work together: the first version that kept the contract, and this one.

Each side is a process of its own with the sources of its version; the other version comes from git.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
OLD_COMMIT = "3271424"
"""The first version with the contract `tffreeze.v1` as it is."""
WAIT_SECONDS = 60

DIGITS = "tests/fixtures/digits"
MOVING_AVERAGE = "tests/fixtures/moving_average/model"
GRAPH = "tests/fixtures/graph_v1"
CALLS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "splice": ((DIGITS,), (DIGITS, "--delivery", "splice")),
    "content": ((DIGITS,), (DIGITS, "--delivery", "content")),
    "model root": ((DIGITS,), ("digits", "--model-root", "samples")),
    **{
        name: (arguments, arguments)
        for name, arguments in {
            "SavedModel": (DIGITS, "--saved-model", "--rename-io"),
            "MetaGraph": (f"{MOVING_AVERAGE}.meta", "--checkpoint", MOVING_AVERAGE, "--output-nodes", "y"),
            "text": (
                f"{GRAPH}/graph.pbtxt",
                "--checkpoint",
                f"{GRAPH}/model",
                "--output-nodes",
                "y",
                "--text",
            ),
        }.items()
    },
}
"""Command lines that freeze the same: without a server, and with one."""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of the old version."""
    command = ["git", "-C", str(REPOSITORY), "archive", OLD_COMMIT, "client", "service"]
    with contextlib.suppress(OSError):
        archive = subprocess.run(command, capture_output=True, check=False)
        if archive.returncode == 0:
            folder = tmp_path_factory.mktemp("old")
            with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
                files.extractall(folder, filter="data")
            return folder
    pytest.skip(f"the old version is not here: git does not have the commit {OLD_COMMIT}")


@pytest.mark.parametrize("old_side", ["client", "server"])
def test_old_and_new_work_together(old_side: str, old: Path, tmp_path: Path) -> None:
    """Each kind of call gives the bytes that a freeze without a server gives."""
    client, server = (old, REPOSITORY) if old_side == "client" else (REPOSITORY, old)
    with serving(server, tmp_path) as address:
        for name, (local, remote) in CALLS.items():
            expected = freeze(REPOSITORY, local, tmp_path)
            assert (name, expected) == (name, freeze(client, [*remote, "--server", address], tmp_path))


@pytest.mark.parametrize("old_side", ["client", "server"])
def test_errors_keep_their_reason(old_side: str, old: Path, tmp_path: Path) -> None:
    """A reason of one version is one for the other."""
    client, server = (old, REPOSITORY) if old_side == "client" else (REPOSITORY, old)
    with serving(server, tmp_path) as address:
        asked = [
            "freeze",
            "tests/fixtures/digits",
            "--signature",
            "predict",
            "--server",
            address,
            "-o",
            str(tmp_path / "x"),
        ]
        done = run(client, asked)
    assert 2 == done.returncode
    assert "SIGNATURE_NOT_FOUND" in done.stderr


@pytest.mark.parametrize("old_side", ["client", "server"])
def test_inspect_and_health(old_side: str, old: Path, tmp_path: Path) -> None:
    """Fields that one side does not know are left out."""
    client, server = (old, REPOSITORY) if old_side == "client" else (REPOSITORY, old)
    with serving(server, tmp_path) as address:
        assert "serving" in run(client, ["health", "--server", address]).stdout
        inspected = run(client, ["inspect", "tests/fixtures/digits", "--server", address])
    assert (0, True) == (inspected.returncode, "serving_default" in inspected.stdout)


def freeze(version: Path, arguments: Sequence[str], folder: Path) -> str:
    """The sha256 of all files that a version writes."""
    output = folder / "out"
    done = run(version, ["freeze", *arguments, "--quiet", "-o", str(output)])
    assert 0 == done.returncode, done.stderr
    files = sorted(path for path in output.rglob("*") if path.is_file()) if output.is_dir() else [output]
    content = b"".join(path.name.encode() + path.read_bytes() for path in files)
    for path in files:
        path.unlink()
    if output.is_dir():
        subprocess.run(["rm", "-r", str(output)], check=True)
    return hashlib.sha256(content).hexdigest()


def run(version: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run the command line of a version."""
    return subprocess.run(
        [sys.executable, "-m", "tffreeze", *arguments],
        cwd=REPOSITORY,
        env=environment(version),
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )


@contextlib.contextmanager
def serving(version: Path, folder: Path) -> Iterator[str]:
    """A server of a version; its address."""
    port_file = folder / "port"
    port_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tffreeze", "serve", "--host", "127.0.0.1", "--port", "0"]
    command += ["--port-file", str(port_file), "--spool-dir", str(folder / "spool")]
    command += ["--model-root", f"samples={REPOSITORY / 'tests' / 'fixtures'}", "--log-format", "json"]
    server = subprocess.Popen(command, env=environment(version), stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        for line in server.stderr:
            if '"listening"' in line:
                break
        yield f"127.0.0.1:{port_file.read_text(encoding='utf-8').strip()}"
    finally:
        server.terminate()
        server.communicate(timeout=WAIT_SECONDS)


def environment(version: Path) -> dict[str, str]:
    """The environment in which this version is imported."""
    paths = [str(version / "client"), str(version / "service")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
