"""Files that fuzzed inputs stand in or beside: in memory where the system can, gone when the process is."""

from __future__ import annotations

import functools
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format

from checkpoint.bundle_writer import Stored, strings_stored, write_bundle
from tffreeze.local_model import LocalFile
from tffreeze_server.tfproto.graph_pb2 import GraphDef

SEEDS = Path(__file__).parent / "seeds"

TENSORS = (
    Stored("b", 1, (3,), struct.pack("<3f", 1, 2, 3)),
    strings_stored("s", (2,), (b"one", b"two")),
    Stored("v", 1, (2, 2), struct.pack("<4f", 1, 2, 3, 4)),
    Stored("w", 1, (4,), struct.pack("<2f", 5, 6), extents=((0, 2),)),
    Stored("w", 1, (4,), struct.pack("<2f", 7, 8), extents=((2, 2),)),
)
"""What the checkpoint beside a fuzzed model holds: a tensor of each kind under short keys."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Sound files.

    Attributes:
        model: A small GraphDef that reads all of `TENSORS` but the strings.
        checkpoint: Its checkpoint's prefix.
        weights: What the checkpoint's data file holds.
        declared: The files that a client declared.

    """

    model: Path
    checkpoint: Path
    weights: bytes
    declared: tuple[LocalFile, ...]


@functools.cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="tffreeze-fuzz-", dir=memory if memory.is_dir() else None)


def folder() -> Path:
    """A folder of this process."""
    return Path(_temporary().name)


@functools.cache
def samples() -> Samples:
    """The sound files, written once."""
    place = folder() / "sound"
    place.mkdir()
    model = place / "model.pb"
    model.write_bytes(text_format.Parse(VARIABLES, GraphDef()).SerializeToString())
    prefix = write_bundle(place / "checkpoint", TENSORS)
    data = prefix.with_name("checkpoint.data-00000-of-00001")
    weights = data.read_bytes()
    return Samples(model, prefix, weights, (LocalFile("checkpoint/x", data, len(weights), True),))


VARIABLES = """
node { name: "v" op: "VariableV2" attr { key: "dtype" value { type: DT_FLOAT } }
       attr { key: "shape" value { shape { dim { size: 2 } dim { size: 2 } } } } }
node { name: "w" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } }
       attr { key: "shape" value { shape { dim { size: 4 } } } }
       attr { key: "shared_name" value { s: "w" } } }
node { name: "r" op: "ReadVariableOp" input: "w" attr { key: "dtype" value { type: DT_FLOAT } } }
node { name: "i" op: "Identity" input: "v" attr { key: "T" value { type: DT_FLOAT } } }
"""
