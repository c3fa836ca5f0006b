#!/usr/bin/env python3
"""Measure calls to a running server: one row of the table of `bench/run.py`, which runs this.

A real server and the Python client on the loopback, models as `bench/run.py` makes them. Ratios are of one run, the
parts of a row take turns, the median of the rounds counts. The bare stream is that of `bench/bare_stream.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from bare_stream import CHUNK_BYTES, FASTEST_OF
from run import CACHE, QUIET, Row, made, output, tensorflows_freeze_graph
from wire import wire

import tffreeze

CONCURRENT = 32
Seconds = float


def main() -> None:
    """Measure a row, and print it as JSON."""
    parser = argparse.ArgumentParser(description="Measure calls to a server.")
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("--rounds", type=int, default=5, help="how often each part runs")
    arguments = parser.parse_args()
    row = ROWS[arguments.row](arguments.rounds)
    print(json.dumps([row.work, row.goal, row.measured]))


def content(rounds: int) -> Row:
    """CONTENT from a model root against the bare stream."""
    return against_bare("a call, CONTENT of 1 GB from a model root", 0.8, rounds, model_root="bench")


def upload(rounds: int) -> Row:
    """The same with an upload first, beside what the two gigabytes cost that it writes: spool and result."""
    row = against_bare("the same with upload of the model", 0.35, rounds, delivery="content")
    return replace(row, measured=f"{row.measured}; to write 2 GB takes {timed(write_2gb):.2f} s here")


def write_2gb() -> None:
    """Write two files of a gigabyte, and delete them."""
    megabyte = bytes(CHUNK_BYTES)
    paths = [CACHE / "written0", CACHE / "written1"]
    for path in paths:
        with path.open("wb", buffering=0) as file:
            for _number in range(1024):
                file.write(megabyte)
    for path in paths:
        path.unlink()


def splice(rounds: int) -> Row:
    """SPLICE against a copy of the weights."""
    weights = made("dense_1gb") / "model.data-00000-of-00001"
    with server() as (address, _):
        with tffreeze.Client(address) as client:
            ours, theirs = compared(
                rounds,
                lambda: freeze_dense(client, delivery="splice"),
                lambda: subprocess.run(["cp", str(weights), output()], check=True),
            )
        with wire(address) as counted, tffreeze.Client(counted.address) as client:
            freeze_dense(client, delivery="splice")
    return Row(
        "a call, SPLICE of 1 GB against `cp`",
        "at most 1.6 times `cp`, 1 MB over the wire",
        f"{ours / theirs:.2f} times ({ours:.2f} s to {theirs:.2f} s), {counted.passed_bytes / 1e6:.2f} MB",
    )


def freeze_graph(rounds: int) -> Row:
    """A call as a build system makes it against a start of `freeze_graph`."""
    command = tensorflows_freeze_graph(made("dense_1gb"))
    with server() as (address, _), tffreeze.Client(address) as client:
        ours, theirs = compared(
            min(rounds, 3),
            lambda: freeze_dense(client),
            lambda: subprocess.run(command, check=True, capture_output=True, env=QUIET),
        )
    measured = f"{theirs / ours:.1f} times faster ({ours:.2f} s to {theirs:.2f} s)"
    return Row("a call, 1 GB, against starting `freeze_graph`", "8 times faster", measured)


def concurrent(rounds: int) -> Row:
    """Many SPLICE freezes of ResNet50 at a time against one after another."""
    model = made("resnet50")
    numbers = range(CONCURRENT)
    with server() as (address, process), tffreeze.Client(address) as client:

        def one(number: int) -> None:
            client.freeze(model, output=CACHE / f"output{number}.pb", delivery="splice", fsync=False)

        idle_bytes = peak_bytes(process)
        with ThreadPoolExecutor(CONCURRENT) as threads:
            at_once, in_turn = compared(
                min(rounds, 3), lambda: list(threads.map(one, numbers)), lambda: list(map(one, numbers))
            )
        grown = (peak_bytes(process) - idle_bytes) / CONCURRENT / 1e6
    for number in numbers:
        (CACHE / f"output{number}.pb").unlink()
    measured = (
        f"{in_turn / at_once:.2f} ({at_once:.2f} s to {in_turn:.2f} s), {grown:.1f} MB of the server for each"
    )
    return Row(
        f"{CONCURRENT} calls at a time, SPLICE of ResNet50",
        "0.8 of one after another, less than 20 MB for each",
        measured,
    )


def beside_plans(rounds: int) -> Row:
    """CONTENT of 1 GB while others plan all the time against the same alone."""
    model = made("resnet50")
    with server() as (address, _), tffreeze.Client(address) as client, tffreeze.Client(address) as others:

        def plan_on(stop: threading.Event) -> None:
            while not stop.is_set():
                others.inspect(model)

        def beside() -> None:
            stop = threading.Event()
            planning = [threading.Thread(target=plan_on, args=(stop,)) for _ in range(4)]
            for thread in planning:
                thread.start()
            freeze_dense(client, model_root="bench")
            stop.set()
            for thread in planning:
                thread.join()

        ours, theirs = compared(min(rounds, 3), beside, lambda: freeze_dense(client, model_root="bench"))
    return Row(
        "a call, CONTENT of 1 GB while 4 others plan, against alone",
        "(no goal)",
        f"{theirs / ours:.2f} ({ours:.2f} s to {theirs:.2f} s)",
    )


ROWS: dict[str, Callable[[int], Row]] = {
    "content": content,
    "upload": upload,
    "splice": splice,
    "freeze_graph": freeze_graph,
    "concurrent": concurrent,
    "beside_plans": beside_plans,
}


def freeze_dense(client: tffreeze.Client, **how: str) -> None:
    """Freeze the model of 1 GB to a file."""
    folder = Path("dense_1gb") if "model_root" in how else made("dense_1gb")
    client.freeze(
        folder / "graph.pb",
        checkpoint=folder / "model",
        output_nodes=["y"],
        output=output(),
        fsync=False,
        **how,
    )


def against_bare(work: str, goal: float, rounds: int, **how: str) -> Row:
    """Our throughput as a part of a bare stream's, and how the server grows."""
    with server() as (address, process), bare_stream() as bare, tffreeze.Client(address) as client:
        idle_bytes = peak_bytes(process)
        ours, theirs = medians(rounds, lambda: fastest(lambda: freeze_dense(client, **how)), bare)
        grown = (peak_bytes(process) - idle_bytes) / 1e6
    measured = f"{theirs / ours:.2f} ({ours:.2f} s to {theirs:.2f} s), grows by {grown:.0f} MB"
    return Row(work, f"{goal} of a bare stream, the server grows by less than 150 MB", measured)


def compared(rounds: int, *parts: Callable[[], object]) -> list[Seconds]:
    """Median times of parts that take turns."""
    return medians(rounds, *(partial(timed, part) for part in parts))


def medians(rounds: int, *timers: Callable[[], Seconds]) -> list[Seconds]:
    """Medians of times that are taken in turns; a first turn that warms the caches does not count."""
    made("dense_1gb")
    turns = [[timer() for timer in timers] for _ in range(rounds + 1)][1:]
    return [statistics.median(times) for times in zip(*turns, strict=True)]


def timed(part: Callable[[], object]) -> Seconds:
    """How long something takes, with nothing left to write from before."""
    Path(output()).unlink(missing_ok=True)
    os.sync()
    start = time.perf_counter()
    part()
    return time.perf_counter() - start


def fastest(part: Callable[[], object]) -> Seconds:
    """How long something takes, the fastest of some times in a row.

    The host of a virtual machine may take back within a second what has become free (free page reporting); a gigabyte
    that is written after that takes ten times as long, which says nothing of who writes it.
    """
    return min(timed(part) for _ in range(FASTEST_OF))


@contextmanager
def server() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A real server that has the models as a model root, and its address."""
    spool = CACHE.parent / "bench-spool"
    command = [sys.executable, "-m", "tffreeze_server.server.main", "--port", "0", "--spool-dir", str(spool)]
    command += ["--model-root", f"bench={CACHE}", "--log-format", "json"]
    with started(command, r'"address": ?"([^"]+)"') as running:
        yield running
    shutil.rmtree(spool, ignore_errors=True)


@contextmanager
def bare_stream() -> Iterator[Callable[[], Seconds]]:
    """A bare gRPC server with the weights, and how long a bare client takes to receive them.

    Each time it is a new client: one process receives a third faster than another, as its memory happens to lie.
    """
    weights = made("dense_1gb") / "model.data-00000-of-00001"
    command = [sys.executable, str(Path(__file__).with_name("bare_stream.py"))]
    with started([*command, "server", str(weights)], r"(127\.0\.0\.1:\d+)") as (address, _):
        yield lambda: float(subprocess.check_output([*command, "client", address]))


@contextmanager
def started(command: list[str], address: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A process that says its address, ended with the block."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        lines = iter(process.stdout.readline, "")
        said: list[str] = []
        while not (said and (found := re.search(address, said[-1]))):
            said.append(next(lines, "") or sys.exit("".join(said)))
        threading.Thread(target=lambda: list(lines), daemon=True).start()
        yield found[1], process
    finally:
        process.terminate()
        process.wait(60)


def peak_bytes(process: subprocess.Popen[str]) -> int:
    """The most memory a process has had."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main()
