"""Fuzzes targets one after the other: `make fuzz ARGS='--seconds 600 freeze_graph'`.

Each runs in a process of its own. What libFuzzer learns goes to `build/fuzz/TARGET`, from where the next run goes
on; an input that found something is written there too, and named.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from fuzz.files import SEEDS
from fuzz.targets import TARGETS

WORK = Path("build/fuzz")
MAX_INPUT_BYTES = 1 << 15
MAX_MEMORY_MIB = 1500
MAX_SECONDS_AN_INPUT = 60
"""By the clock: what one input may take in CPU seconds is judged in the target."""


def main() -> None:
    """Fuzz, tell how much was run, end with 1 where something was found."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="all, where none is given")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--fresh", action="store_true", help="start from the committed seeds alone")
    asked = parser.parse_args()
    found = [name for name in asked.targets or TARGETS if not _fuzz(name, asked.seconds, fresh=asked.fresh)]
    if found:
        sys.exit(f"Found something: {', '.join(found)}")


def _fuzz(name: str, seconds: int, *, fresh: bool) -> bool:
    """Fuzz one target; whether nothing was found."""
    learned = WORK / name
    if fresh:
        for path in learned.glob("*"):
            path.unlink()
    learned.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [
            sys.executable, "-m", "fuzz.one", name,
            f"-max_total_time={seconds}", f"-max_len={MAX_INPUT_BYTES}", f"-timeout={MAX_SECONDS_AN_INPUT}",
            f"-rss_limit_mb={MAX_MEMORY_MIB}", "-print_final_stats=1", "-len_control=0",
            f"-artifact_prefix={WORK}/{name}-", str(learned), str(SEEDS / name),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": "tests"},
        check=False,
    )  # fmt: skip
    text = done.stdout.decode(errors="replace")
    executed = re.search(r"number_of_executed_units:\s*(\d+)", text)
    print(f"{name}: {int(executed[1]) if executed else 0:,} inputs in {seconds} s", flush=True)
    if done.returncode:
        print(text[-6_000:], flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    main()
