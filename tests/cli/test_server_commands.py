"""`tffreeze serve`, `tffreeze health` and `--server`, run as processes."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.program import DIGITS, FIXTURES, start, tffreeze


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that `tffreeze serve` runs; it must end well."""
    folder = tmp_path_factory.mktemp("server")
    process = start(
        "serve", "--port", "0", "--port-file", str(folder / "port"), "--spool-dir", str(folder / "spool"),
        "--model-root", f"samples={FIXTURES}", stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    assert b"listening" in process.stderr.readline()
    yield f"localhost:{(folder / 'port').read_text().strip()}"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_server_is_healthy(address: str) -> None:
    """Health is exit code 0 for one that serves, and 4 for one that is not there."""
    run = tffreeze("health", "--server", address)
    assert (run.code, run.out) == (0, f"{address}: serving\n")
    gone = tffreeze("health", "--server", address, "--server", "localhost:1", "--timeout", "1")
    assert (gone.code, "reason: UNAVAILABLE" in gone.err) == (4, True)


def test_health_asks_a_server_here_unless_told_otherwise() -> None:
    """On the port that a server has unless told otherwise."""
    run = tffreeze("health", "--timeout", "1")
    assert "localhost:50051" in run.out + run.err


@pytest.mark.parametrize("delivery", [(), ("--delivery", "content"), ("--delivery", "splice")])
def test_a_server_writes_the_same_file(delivery: tuple[str, ...], address: str, tmp_path: Path) -> None:
    """`--server` is the same command with the same bytes and the same report."""
    ours = tffreeze("freeze", DIGITS, "-o", "f.pb", "--report", "ours.json", cwd=tmp_path)
    before = (tmp_path / "f.pb").read_bytes()
    run = tffreeze(
        "freeze",
        DIGITS,
        "--server",
        address,
        *delivery,
        "-o",
        "f.pb",
        "--report",
        "theirs.json",
        cwd=tmp_path,
    )
    assert (run.code, run.out, run.err) == (0, ours.out, "")
    assert before == (tmp_path / "f.pb").read_bytes()
    assert (tmp_path / "ours.json").read_bytes() == (tmp_path / "theirs.json").read_bytes()


def test_a_model_root_is_named_by_a_flag(address: str) -> None:
    """Freeze and inspect take a model that lies with the server."""
    flags = ("digits", "--model-root", "samples", "--server", address)
    assert tffreeze("freeze", DIGITS, "-o", "-").out_bytes == tffreeze("freeze", *flags, "-o", "-").out_bytes
    remote = json.loads(tffreeze("inspect", *flags, "--json").out)
    assert json.loads(tffreeze("inspect", DIGITS, "--json").out) == remote


def test_flags_for_servers_need_a_server() -> None:
    """A flag that would be ignored is a usage error."""
    for command in ("freeze", "inspect"):
        run = tffreeze(
            command, "digits", "--model-root", "samples", *(("-o", "f") if command == "freeze" else ())
        )
        assert (run.code, "--server" in run.err) == (2, True)


def test_errors_of_a_server_are_told_as_the_engines(address: str, tmp_path: Path) -> None:
    """Reason and exit code are the same with and without a server."""
    flags = ("freeze", DIGITS, "--output-nodes", "nope", "-o", "f.pb")
    runs = [tffreeze(*flags, cwd=tmp_path), tffreeze(*flags, "--server", address, cwd=tmp_path)]
    assert (runs[0].code, runs[0].err) == (runs[1].code, runs[1].err)
    assert list(tmp_path.iterdir()) == []


def test_a_token_does_not_leave_in_plaintext(tmp_path: Path) -> None:
    """A token in a file or the environment is not sent to another machine without TLS."""
    (tmp_path / "token").write_text("secret\n")
    flags = ("freeze", DIGITS, "--server", "freeze.invalid:1", "-o", "f.pb")
    for run in (
        tffreeze(*flags, "--token-file", "token", cwd=tmp_path),
        tffreeze(*flags, cwd=tmp_path, TFFREEZE_TOKEN="secret"),
    ):
        assert (run.code, "plaintext" in run.err, "secret" in run.err) == (2, True, False)
