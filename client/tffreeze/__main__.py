"""The program `tffreeze`, and `python -m tffreeze`. Imports almost nothing before it handles signals."""

from __future__ import annotations

from tffreeze.interrupts import end_at_once


def main() -> None:
    """Run `tffreeze` and end the process."""
    end_at_once()
    from tffreeze.cli.main import main as run  # noqa: PLC0415 - a signal may come while it is imported

    run()


if __name__ == "__main__":
    main()
