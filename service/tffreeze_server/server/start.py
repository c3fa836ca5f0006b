"""The program `tffreeze-server`. Imports next to nothing before signals are taken care of."""

from __future__ import annotations

from tffreeze.interrupts import end_at_once


def main() -> int:
    """Run the server; the exit code."""
    end_at_once()
    from tffreeze_server.server.main import main as run  # noqa: PLC0415 - a signal may come while it is imported

    code = run()
    end_at_once()
    return code


if __name__ == "__main__":
    raise SystemExit(main())
