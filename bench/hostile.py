#!/usr/bin/env python3
"""What hostile models cost: each at an input just below a megabyte, as a whole process.

    hostile.py            every case, a line each, then the dearest as a row of `make bench`
    hostile.py NUMBER...  only these
    hostile.py --json     only the row, as JSON (`bench/run.py`)

The models are the generators of `tests/hostile`. CPU time and peak memory are what the kernel says of the child.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from hostile.case import Case, all_cases  # noqa: E402 - the generators are found beside this file

MAX_INPUT_BYTES = 1_000_000
MAX_CPU_SECONDS = 5.0
MAX_PEAK_BYTES = 400_000_000
FREEZE = """
import sys
from tffreeze import TffreezeError
from tffreeze.embedded import freeze
try:
    freeze(sys.argv[1], output=sys.argv[2], **eval(sys.argv[3]))
except TffreezeError as error:
    sys.exit(error.reason)
"""


def main() -> None:
    """Measure all cases, or those that are named."""
    parser = argparse.ArgumentParser(description="Measure hostile models.")
    parser.add_argument("numbers", nargs="*", type=int, help="only these")
    parser.add_argument("--json", action="store_true", help="print nothing but the row")
    arguments = parser.parse_args()
    cases = [case for case in all_cases() if not arguments.numbers or case.number in arguments.numbers]
    found = []
    for case in cases:
        seconds, peak_bytes, reason = cost(case, largest(case))
        found.append((seconds, peak_bytes, case))
        if not arguments.json:
            print(f"{case!s:28} {seconds:5.2f} s {peak_bytes / 1e6:6.0f} MB  {reason}", flush=True)
    slowest = max(found, key=lambda each: each[0])
    widest = max(found, key=lambda each: each[1])
    row = (
        f"the dearest of {len(found)} hostile models below 1 MB",
        f"at most {MAX_CPU_SECONDS:.0f} CPU seconds, {MAX_PEAK_BYTES / 1e6:.0f} MB",
        f"{slowest[0]:.2f} s ({slowest[2]}), {widest[1] / 1e6:.0f} MB ({widest[2]})",
    )
    print(json.dumps(row) if arguments.json else " | ".join(row))
    sys.exit(slowest[0] > MAX_CPU_SECONDS or widest[1] > MAX_PEAK_BYTES)


def largest(case: Case) -> int:
    """The largest size whose input is below a megabyte."""
    low, high = 1, 2
    while high < case.largest and fits(case, high):
        low, high = high, 2 * high
    high = min(high, case.largest + 1)
    while high - low > max(1, low >> 5):
        middle = (low + high) // 2
        low, high = (middle, high) if fits(case, middle) else (low, middle)
    return low


def fits(case: Case, size: int) -> bool:
    """Whether the input of this size is below a megabyte."""
    return case.make(size).size_bytes < MAX_INPUT_BYTES


def cost(case: Case, size: int) -> tuple[float, int, str]:
    """CPU seconds and peak bytes of the process that freezes a model, and how it ended."""
    model = case.make(size)
    with tempfile.TemporaryDirectory() as folder:
        source = model.write(Path(folder))
        options = {
            name: list(value) if isinstance(value, tuple) else value
            for name in ("output_nodes", "initializer_nodes", "restore_op", "filename_tensor")
            if (value := getattr(model.options, name))
        }
        if source.checkpoint:
            options["checkpoint"] = str(source.checkpoint)
        command = [sys.executable, "-c", FREEZE, str(source.model), f"{folder}/frozen.pb", repr(options)]
        child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert child.stderr is not None
        said = child.stderr.read().strip().splitlines()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, said[-1] if said else "frozen"


if __name__ == "__main__":
    main()
