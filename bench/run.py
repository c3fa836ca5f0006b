#!/usr/bin/env python3
"""Measure speed and memory beside TensorFlow's own tools and `cp`: `make bench`.

Each row is a ratio of whole processes, start-up included, taken in one run: the commands of a row take turns, the
median of the rounds counts, and the page cache is warm. Peak memory is what the kernel says of the child
(`ru_maxrss`). It is never less than that of the process that starts the child, so this one imports nothing big.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent / "build" / "bench"
BIN = Path(sys.executable).parent
QUIET = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

Command = list[str]


@dataclass(frozen=True)
class Cost:
    """What a command cost: the median of its rounds."""

    seconds: float
    peak_bytes: int

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s, {self.peak_bytes / 1e6:.0f} MB"


@dataclass(frozen=True)
class Row:
    """A line of the table: what was done, what is wanted, what came out."""

    work: str
    goal: str
    measured: str


def main() -> None:
    """Measure all rows, or those that are named, and print them as a table."""
    parser = argparse.ArgumentParser(description="Measure speed and memory.")
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], help="only these")
    parser.add_argument("--rounds", type=int, default=5, help="how often each command runs")
    arguments = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    # As pip does when it installs a package; TensorFlow was.
    for package in ("client", "service"):
        compileall.compile_dir(HERE.parent / package, quiet=2)
    print("| work | at least | measured |\n|---|---|---|", flush=True)
    for name in arguments.rows or ROWS:
        for row in ROWS[name](arguments.rounds):
            print(f"| {row.work} | {row.goal} | {row.measured} |", flush=True)


def resnet50(rounds: int) -> list[Row]:
    """A Keras SavedModel against TensorFlow's conversion of TF2 models."""
    model = made("resnet50")
    ours, theirs = compared(
        rounds,
        freeze(str(model)),
        [sys.executable, str(HERE / "convert_v2.py"), str(model), output()],
    )
    work = "Keras ResNet50 against `saved_model.load` + `convert_variables_to_constants_v2`"
    return [Row(work, "15 times faster, 1/20 of the peak memory", against(ours, theirs))]


def large(rounds: int) -> list[Row]:
    """A GraphDef and 1 GB of weights against `freeze_graph`."""
    model = made("dense_1gb")
    ours, theirs = compared(min(rounds, 3), freeze_graph_of(model), tensorflows_freeze_graph(model))
    work = "GraphDef and 1 GB checkpoint against `freeze_graph`"
    return [Row(work, "10 times faster, 1/50 of the peak memory", against(ours, theirs))]


def cp(rounds: int) -> list[Row]:
    """The same against a copy of the checkpoint's data."""
    model = made("dense_1gb")
    data = str(model / "model.data-00000-of-00001")
    ours, theirs = compared(rounds, freeze_graph_of(model), ["cp", data, output()])
    measured = f"{ours.seconds / theirs.seconds:.2f} times ({ours.seconds:.2f} s to {theirs.seconds:.2f} s)"
    return [Row("the same against `cp` of the checkpoint", "at most 1.5 times `cp`", measured)]


def memory(rounds: int) -> list[Row]:
    """Peak memory as weights grow."""
    small, big = compared(rounds, freeze_graph_of(made("dense_100mb")), freeze_graph_of(made("dense_1gb")))
    growth = (big.peak_bytes - small.peak_bytes) / 1e6
    measured = f"grows by {growth:.1f} MB ({small.peak_bytes / 1e6:.0f} to {big.peak_bytes / 1e6:.0f} MB)"
    return [Row("peak memory, 1 GB against 100 MB of weights", "grows by less than 10 MB", measured)]


def nodes(rounds: int) -> list[Row]:
    """Time and memory as the graph grows."""
    small, big = compared(
        min(rounds, 3), freeze_graph_of(made("nodes_100k")), freeze_graph_of(made("nodes_1m"))
    )
    measured = f"{big.seconds / small.seconds:.1f} times ({small} to {big})"
    return [Row("a graph of 100,000 nodes, and of 1,000,000", "time grows by less than 12 times", measured)]


def inspect(rounds: int) -> list[Row]:
    """Looking at a model against `saved_model_cli`."""
    model = str(made("resnet50"))
    ours, theirs = compared(
        rounds,
        [str(BIN / "tffreeze"), "inspect", model],
        [str(BIN / "saved_model_cli"), "show", "--dir", model, "--all"],
    )
    work = "`tffreeze inspect` on ResNet50 against `saved_model_cli show --all`"
    return [Row(work, "10 times faster", against(ours, theirs))]


def hostile(_: int) -> list[Row]:
    """Hostile models, each once: their generators are imported in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(HERE / "hostile.py"), "--json"], stdout=subprocess.PIPE, env=QUIET, check=False
    )
    return [Row(*json.loads(done.stdout))]


def call(name: str) -> Callable[[int], list[Row]]:
    """A row of `service_calls.py`: in a process of its own, which may import what it needs."""

    def row(rounds: int) -> list[Row]:
        command = [sys.executable, str(HERE / "service_calls.py"), name, "--rounds", str(rounds)]
        done = subprocess.run(command, stdout=subprocess.PIPE, env=QUIET, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)} ended with {done.returncode}.")
        return [Row(*json.loads(done.stdout))]

    return row


ROWS: dict[str, Callable[[int], list[Row]]] = {
    "resnet50": resnet50,
    "large": large,
    "cp": cp,
    "memory": memory,
    "nodes": nodes,
    "inspect": inspect,
    "hostile": hostile,
    "call_content": call("content"),
    "call_upload": call("upload"),
    "call_splice": call("splice"),
    "call_freeze_graph": call("freeze_graph"),
    "call_concurrent": call("concurrent"),
    "call_beside_plans": call("beside_plans"),
}


def freeze(model: str, *options: str) -> Command:
    """Our command, as a user calls it."""
    return [str(BIN / "tffreeze"), "freeze", model, *options, "-o", output()]


def freeze_graph_of(model: Path) -> Command:
    """Our command for a GraphDef with its checkpoint."""
    return freeze(f"{model}/graph.pb", "--checkpoint", f"{model}/model", "--output-nodes", "y")


def tensorflows_freeze_graph(model: Path) -> Command:
    """TensorFlow's command for the same."""
    command = [sys.executable, "-m", "tensorflow.python.tools.freeze_graph", "--input_binary=true"]
    command += [f"--input_graph={model}/graph.pb", f"--input_checkpoint={model}/model"]
    return [*command, "--output_node_names=y", f"--output_graph={output()}"]


def output() -> str:
    """Where every command writes: the same disk as the models."""
    return str(CACHE / "output.pb")


def made(name: str) -> Path:
    """The folder of a model, made on first use by a process of its own."""
    folder = CACHE / name
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"making {name} ...", file=sys.stderr, flush=True)
        measured([sys.executable, str(HERE / "models.py"), name, str(folder)])
        (folder / "complete").touch()
    return folder


def compared(rounds: int, *commands: Command) -> list[Cost]:
    """The costs of commands that take turns; a first turn that warms the caches does not count."""
    turns = [[measured(command) for command in commands] for _ in range(rounds + 1)][1:]
    return [
        Cost(
            statistics.median(c.seconds for c in costs), round(statistics.median(c.peak_bytes for c in costs))
        )
        for costs in zip(*turns, strict=True)
    ]


def measured(command: Command) -> Cost:
    """Run a command to its end, with nothing left to write from before; its failure is ours."""
    Path(output()).unlink(missing_ok=True)
    os.sync()
    log = CACHE / "last.log"
    with log.open("wb") as sink:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=sink, stderr=sink, env=QUIET)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(
            f"{' '.join(command)} ended with {process.returncode}:\n{log.read_text(errors='replace')[-4000:]}"
        )
    return Cost(seconds, usage.ru_maxrss * 1024)


def against(ours: Cost, theirs: Cost) -> str:
    """Our cost as a part of theirs."""
    faster, smaller = theirs.seconds / ours.seconds, theirs.peak_bytes / ours.peak_bytes
    return f"{faster:.1f} times faster, 1/{smaller:.0f} of the peak memory ({ours} to {theirs})"


if __name__ == "__main__":
    main()
