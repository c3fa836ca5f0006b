"""What a hostile model is, and all there are."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tffreeze_server.emit.emit import write_file
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.freeze import freeze
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.tfproto.graph_pb2 import GraphDef

GRAPH_FILE = "model.pb"
FROZEN_FILE = "frozen.pb"


@dataclass(frozen=True)
class Model:
    """A model as files.

    Attributes:
        files: Contents by name.
        options: How to freeze it.
        model: The file that is the model.
        checkpoint: The prefix of its checkpoint, if it has one.

    """

    files: Mapping[str, bytes]
    options: FreezeOptions
    model: str = GRAPH_FILE
    checkpoint: str | None = None

    @property
    def size_bytes(self) -> int:
        """Of all files but the data of a checkpoint."""
        return sum(len(content) for name, content in self.files.items() if ".data-" not in name)

    def write(self, folder: Path) -> ModelSource:
        """Write the files; where they are."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        return ModelSource(folder / self.model, folder / self.checkpoint if self.checkpoint else None)


@dataclass(frozen=True)
class Case:
    """A numbered generator.

    Attributes:
        number: Unique; `README.md` has the ranges.
        make: Makes the model of a size.
        reason: That a freeze of it ends in; None where it freezes.
        size: The `n` at which it must give that reason.
        small: The `n` up to which growth is measured.
        largest: The `n` beyond which there is no such model.

    """

    number: int
    make: Callable[[int], Model]
    reason: Reason | None
    size: int
    small: int = 400
    largest: int = field(default=1 << 40, repr=False)

    def __str__(self) -> str:
        return f"{self.number}-{self.make.__name__}"


def outcome(source: ModelSource, options: FreezeOptions, folder: Path) -> Reason | None:
    """Freeze and write; the reason of the error, or None. Any other exception comes through."""
    try:
        write_file(freeze(source, options).plan, folder / FROZEN_FILE)
    except FreezeError as error:
        return error.reason
    return None


def graph_only(graph: GraphDef, *outputs: str, **options: object) -> Model:
    """A model that is a graph without checkpoint, frozen by output names."""
    asked = FreezeOptions(output_nodes=outputs, **options)  # type: ignore[arg-type]  # a case knows its options
    return Model({GRAPH_FILE: graph.SerializeToString()}, asked)


def all_cases() -> list[Case]:
    """Every case of every `cases_*.py` here, by number."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("cases_*.py"))
    cases = [case for name in names for case in importlib.import_module(f"hostile.{name}").CASES]
    numbers = [case.number for case in cases]
    assert len(set(numbers)) == len(numbers), "two hostile models have one number"
    return sorted(cases, key=lambda case: case.number)
