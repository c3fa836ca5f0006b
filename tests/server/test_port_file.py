"""The file that tells a port, as any other file that is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tffreeze_server.server.port_file import remove_port_file, write_port_file


def test_a_port_file_is_written_through_a_link(tmp_path: Path) -> None:
    """The file at its end holds the port, and goes; the link stays."""
    (tmp_path / "link").symlink_to("file")
    write_port_file(tmp_path / "link", 50051)
    assert "50051\n" == (tmp_path / "file").read_text()
    remove_port_file(tmp_path / "link")
    assert ["link"] == [path.name for path in tmp_path.iterdir()]


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    """It is neither replaced nor removed."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    remove_port_file(tmp_path / "pipe")
    write_port_file(tmp_path / "pipe", 50051)
    remove_port_file(tmp_path / "pipe")
    assert b"50051\n" == os.read(reader, 99)
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_a_port_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The server ends with this message."""
    with pytest.raises(OSError, match="is not a folder"):
        write_port_file(tmp_path / "absent" / "port", 1)
