"""Every real model gives the same bytes, or the same error, with a server and without."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

pytest.importorskip("numpy", reason="the golden outputs are numpy's files")

from conformance.real_models import FOLDER, Case, golden_cases
from rpc.harness import Served, answer, failure_of, served
from rpc.models import SPLICE, FreezeRequest, FreezeSpec, Model
from tffreeze.v1 import options_pb2
from tffreeze.v1.model_pb2 import ModelSource
from tffreeze_server.emit.emit import chunks
from tffreeze_server.errors import FreezeError
from tffreeze_server.freeze import freeze
from tffreeze_server.tensors.files import SourceFiles

pytestmark = pytest.mark.usefixtures("models_dir")

DATA_FILE = re.compile(r".*\.data-\d{5}-of-\d{5}")


@pytest.fixture(scope="module")
def models_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the real models as a model root."""
    with served(tmp_path_factory.mktemp("server"), model_roots={"models": FOLDER}) as running:
        yield running
        running.wait_until_idle()


def expected(case: Case) -> bytes | str:
    """The frozen graph without a server, or the reason why there is none."""
    try:
        result = freeze(case.source, case.options)
        with SourceFiles(result.plan.files) as files:
            return b"".join(chunks(result.plan, files))
    except FreezeError as error:
        return error.reason.name


def got(server: Served, requests: Iterator[FreezeRequest], sources: list[Path]) -> bytes | str:
    """The same from a server."""
    try:
        return answer(server.stub.Freeze(requests), sources).frozen
    except grpc.RpcError as error:
        return failure_of(error).reason


def options_of(case: Case) -> options_pb2.FreezeOptions:
    """The options of a case as a message."""
    options = options_pb2.FreezeOptions(
        signature_keys=case.options.signature_keys, output_nodes=case.options.output_nodes
    )
    if case.options.tags is not None:
        options.tags.tags.extend(sorted(case.options.tags))
        options.tags.SetInParent()
    return options


def below(path: Path | None, folder: Path) -> str:
    """A path as the contract has it."""
    return path.relative_to(folder).as_posix() if path else ""


@pytest.mark.parametrize("case", golden_cases(), ids=lambda case: case.name)
def test_in_place(models_server: Served, case: Case) -> None:
    """From a model root by CONTENT."""
    source = ModelSource(
        model_root="models",
        model=below(case.source.model, FOLDER),
        checkpoint=below(case.source.checkpoint, FOLDER),
    )
    spec = FreezeSpec(source=source, options=options_of(case))
    assert expected(case) == got(models_server, iter([FreezeRequest(spec=spec)]), [])


@pytest.mark.parametrize("case", golden_cases(), ids=lambda case: case.name)
def test_weights_stay(models_server: Served, case: Case) -> None:
    """By SPLICE with every data file absent; V1 checkpoints are sent whole."""
    names = tuple(sorted(below(path, case.folder) for path in case.folder.rglob("*") if path.is_file()))
    saved_model = next((name for name in names if name.startswith("saved_model.")), "")
    model = Model(
        case.folder,
        below(case.source.model, case.folder) if case.source.model.is_file() else saved_model,
        names,
        below(case.source.checkpoint, case.folder),
        options_of(case),
    )
    absent = [name for name in names if DATA_FILE.fullmatch(name)]
    assert expected(case) == got(models_server, model.requests(absent, delivery=SPLICE), model.paths)
