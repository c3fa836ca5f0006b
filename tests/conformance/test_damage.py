"""Whole models with damaged files: a freeze ends in a result or a `FreezeError`, soon, without a partial file."""

from __future__ import annotations

import random
import resource
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tffreeze_server.emit.emit import write_file
from tffreeze_server.errors import FreezeError
from tffreeze_server.freeze import freeze
from tffreeze_server.options import FreezeOptions, ModelSource

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
MAX_SECONDS = 5.0
MAX_GROWTH_BYTES = 400 << 20
FILES = [
    ("digits", "saved_model.pb"),
    ("digits", "variables/variables.index"),
    ("digits", "variables/variables.data-00000-of-00001"),
    ("moving_average", "model.meta"),
    ("moving_average", "model.index"),
    ("graph_v1", "graph.pbtxt"),
    ("graph_v1", "model"),
]
MODELS = {"digits": ".", "moving_average": "model.meta", "graph_v1": "graph.pbtxt"}


def damaged(data: bytes, count: int) -> Iterator[bytes]:
    """Truncated, with flipped bits, with a run of bytes replaced, doubled or cut out: always the same ones."""
    chance = random.Random(len(data))
    yield b""
    yield data + b"\xff" * 16
    for _ in range(count):
        start = chance.randrange(len(data))
        end = min(len(data), start + chance.choice((1, 2, 8, 100)))
        flipped = bytearray(data)
        flipped[start] ^= 1 << chance.randrange(8)
        yield data[:start]
        yield bytes(flipped)
        yield data[:start] + bytes(chance.randrange(256) for _ in range(end - start)) + data[end:]
        yield data[:start] + data[start:end] + data[start:]
        yield data[:start] + data[end:]


@pytest.mark.parametrize(("name", "file"), FILES, ids=lambda value: value.replace("/", "_"))
def test_damaged_file(name: str, file: str, tmp_path: Path) -> None:
    """Whatever one damaged file holds, only a `FreezeError` comes of it, in bounded time and memory."""
    model = tmp_path / "model"
    shutil.copytree(FIXTURES / name, model)
    whole = (model / file).read_bytes()
    failed = 0
    before_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    for data in damaged(whole, 40):
        (model / file).write_bytes(data)
        failed += freeze_fails(model, name, tmp_path / "frozen.pb")
    assert failed > 40
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10 < before_bytes + MAX_GROWTH_BYTES


def freeze_fails(model: Path, name: str, output: Path) -> bool:
    """Whether a freeze ended in a `FreezeError`; anything else that it raises ends the test."""
    options = FreezeOptions() if name == "digits" else FreezeOptions(output_nodes=("y",))
    checkpoint = None if name == "digits" else model / "model"
    started = time.monotonic()
    try:
        write_file(freeze(ModelSource(model / MODELS[name], checkpoint), options).plan, output)
    except FreezeError:
        assert not output.exists()
        assert not [path for path in output.parent.iterdir() if path != model]
        return True
    else:
        output.unlink()
        return False
    finally:
        assert time.monotonic() - started < MAX_SECONDS
