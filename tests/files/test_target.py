"""What is said of an output that cannot be written."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from tffreeze_files.target import output_error
from tffreeze_files.writer import open_output


@pytest.mark.parametrize(
    ("error", "reason", "says"),
    [
        (
            OSError(errno.EIO, os.strerror(errno.EIO)),
            "OUTPUT_NOT_WRITABLE",
            "cannot be written: Input/output error.",
        ),
        (OSError("of a library's own"), "OUTPUT_NOT_WRITABLE", "cannot be written: of a library's own."),
        (OSError(errno.ENOSPC, "full"), "DISK_FULL", "does not fit: full."),
        (OSError(errno.EDQUOT, "full"), "DISK_FULL", "does not fit: full."),
        (OSError(errno.EFBIG, "full"), "DISK_FULL", "does not fit: full."),
        (ValueError("embedded null byte"), "OUTPUT_NOT_WRITABLE", "its name holds a zero byte."),
    ],
)
def test_an_error_of_the_system_has_a_reason(error: OSError | ValueError, reason: str, says: str) -> None:
    """In its own words, where it has any."""
    made = output_error("out.pb", error)
    assert (reason, "out.pb") == (made.reason, made.subject)
    assert f"The output 'out.pb' {says}" in made.message.replace("cannot be written: its", "its")


@pytest.mark.parametrize("as_folder", [False, True])
def test_a_file_system_without_locks_takes_outputs(
    as_folder: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can take a temporary name for a left-over there; so it needs no lock, and what is left stays."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    left = tmp_path / ".tffreeze-0000000000000000.part"
    left.touch()
    if not as_folder:
        (tmp_path / "out").write_bytes(b"before")
    with open_output(tmp_path / "out", as_folder=as_folder) as output:
        output.begin("f", 5)
        output.write(b"after")
    assert b"after" == (tmp_path / "out" / "f" if as_folder else tmp_path / "out").read_bytes()
    assert {left.name, "out"} == {path.name for path in tmp_path.iterdir()}
