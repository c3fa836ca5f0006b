"""A progress bar is for those who look and wait."""

from __future__ import annotations

import sys

import pytest

from tffreeze.cli import progress


def test_a_pipe_gets_no_bar() -> None:
    """Where stderr is no terminal, or all is to be quiet, there is no bar."""
    for quiet in (True, False):
        with progress.progress_bar(quiet) as bar:
            assert bar is None


@pytest.fixture
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "is_terminal", lambda stream: stream is sys.stderr)


@pytest.mark.usefixtures("_terminal")
def test_what_is_soon_over_needs_no_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before half a minute, which is its patience here, nothing is drawn."""
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 30.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress.progress_bar(quiet=False) as bar:
        assert bar is not None
        bar.writing(1, 2)
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("_terminal")
def test_a_bar_shows_bytes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """After that the bar goes to stderr, counts bytes, and goes from sending to writing."""
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with progress.progress_bar(quiet=False) as bar:
        assert bar is not None
        bar.sending(1_000_000, 4_000_000)
        bar.writing(2_000_000, 8_000_000)
    out, err = capsys.readouterr()
    assert out == ""
    assert "2.0/8.0 MB" in err
