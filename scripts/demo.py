#!/usr/bin/env python3
"""Freeze a small trained classifier and prove the result: `make demo`.

The result is proved by running it where TensorFlow can be imported; nothing else here needs TensorFlow.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
MODEL = REPO / "tests" / "fixtures" / "digits"
FROZEN = REPO / "build" / "digits.pb"
SHADES = " .:-=+*#%@"
MAX_SHOWN = 5


def main() -> int:
    """Freeze, then prove; the exit code of the freeze, or 1 if the frozen model is wrong."""
    FROZEN.parent.mkdir(exist_ok=True)
    model, frozen = (str(path.relative_to(REPO)) for path in (MODEL, FROZEN))
    command = ["tffreeze", "freeze", model, "--rename-io", "-o", frozen]
    print(f"$ {' '.join(command)}", flush=True)
    program = shutil.which("tffreeze") or sys.exit("tffreeze is not installed here: run `make demo`.")
    status = subprocess.call([program, *command[1:]], cwd=REPO)
    if status:
        return status
    if importlib.util.find_spec("tensorflow") is None:
        print(
            f"\n{frozen} is complete, and was made without TensorFlow.\n"
            "To see it tell digits, install TensorFlow (1.3 GB) and come back:\n"
            "  .venv/bin/pip install -c constraints.txt tensorflow && make demo"
        )
        return 0
    return _prove()


def _prove() -> int:
    """Run the frozen graph on images it has not seen, and compare with what the model said before."""
    with _no_stderr():
        import numpy as np
        import tensorflow as tf

    golden = np.load(MODEL / "golden.npz")
    images, labels, before = (
        golden[key] for key in ("in|serving_default_image:0", "labels", "out|StatefulPartitionedCall:0")
    )
    graph = tf.Graph()
    with _no_stderr(), graph.as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(tf.compat.v1.GraphDef.FromString(FROZEN.read_bytes()), name="")
        after = session.run("probabilities:0", {"image:0": images})
    print(f"\nRun by TensorFlow {tf.__version__}, with nothing but that file:\n")
    print(_side_by_side([_drawn(image[..., 0]) for image in images[:MAX_SHOWN]]))
    print(_side_by_side([[f"it is {row.argmax()}: {row.max():.0%}"] for row in after[:MAX_SHOWN]]))
    right = int((after.argmax(axis=1) == labels).sum())
    difference = float(np.abs(after - before).max())
    print(
        f"\n{right} of {len(labels)} digits are right; differs from the unfrozen model by {difference:.1e}."
    )
    return int(difference > 1e-5)


@contextlib.contextmanager
def _no_stderr() -> Iterator[None]:
    """Drop what TensorFlow writes to stderr as it starts, of which it has no other switch for all."""
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


def _drawn(image: list[list[float]]) -> list[str]:
    """One line of characters for each row of an image whose values run from 0 to 1."""
    return [
        "".join(SHADES[min(int(value * len(SHADES)), len(SHADES) - 1)] * 2 for value in row) for row in image
    ]


def _side_by_side(blocks: list[list[str]]) -> str:
    return "\n".join(
        "".join(line.ljust(22) for line in lines).rstrip() for lines in zip(*blocks, strict=True)
    )


if __name__ == "__main__":
    sys.exit(main())
