"""Freezes that succeed: the same bytes whatever the way."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import tffreeze
from rpc.harness import Served, answer, failure
from rpc.models import DIGITS, FIXTURES, GRAPH_V1, MOVING_AVERAGE, SPLICE, FreezeRequest, FreezeSpec, Model
from tffreeze.v1 import freeze_service_pb2, options_pb2
from tffreeze.v1.freeze_service_pb2 import InspectRequest, InspectSpec
from tffreeze.v1.inspection_pb2 import VariableStatus
from tffreeze_server.tensors import crc32c

MODELS = [
    pytest.param(DIGITS, id="digits"),
    pytest.param(MOVING_AVERAGE, id="moving_average"),
    pytest.param(GRAPH_V1, id="graph_v1"),
]


def embedded(model: Model) -> bytes:
    """Freeze a model without a server."""
    checkpoint = model.folder / model.checkpoint if model.checkpoint else None
    outputs = list(model.options.output_nodes)
    return tffreeze.freeze_bytes(model.folder / model.model, checkpoint=checkpoint, output_nodes=outputs).data


@pytest.mark.parametrize("model", MODELS)
def test_every_way_gives_the_same_bytes(server: Served, model: Model) -> None:
    """Embedded, from a model root, uploaded, spliced: one frozen graph, with the crc32c that was told."""
    expected = embedded(model)
    spec = FreezeSpec(source=model.in_root("samples", FIXTURES), options=model.options)
    in_place = answer(server.stub.Freeze(iter([FreezeRequest(spec=spec)])))
    uploaded = answer(server.stub.Freeze(model.requests(want_sha256=True)))
    splice = answer(server.stub.Freeze(model.requests(delivery=SPLICE)), model.paths)
    assert expected == in_place.frozen
    assert expected == uploaded.frozen
    assert expected == splice.frozen
    for got in (in_place, uploaded, splice):
        assert crc32c.extend(0, expected) == got.started.files[0].crc32c
        assert len(expected) == got.started.total_size_bytes
        assert in_place.started.report == got.started.report
    assert hashlib.sha256(expected).digest() == uploaded.finished.sha256
    assert in_place.finished.sha256 == b""


@pytest.mark.parametrize("model", MODELS[:2])
def test_splice_needs_no_weights(server: Served, model: Model) -> None:
    """With SPLICE the data file stays with the client, and the result is the same."""
    data_file = model.names[-1]
    before = server.recorder.received_bytes
    got = answer(server.stub.Freeze(model.requests((data_file,), delivery=SPLICE)), model.paths)
    assert embedded(model) == got.frozen
    assert sum(path.stat().st_size for path in model.paths[:-1]) == server.recorder.received_bytes - before


def test_a_plan_that_needs_the_weights_says_so(server: Served) -> None:
    """Text format needs the values: with the data file absent that is WEIGHTS_NEEDED, with it there it works."""
    data_file = DIGITS.names[-1]
    text = Model(DIGITS.folder, DIGITS.model, DIGITS.names, options=options_pb2.FreezeOptions(as_text=True))
    failed = failure(lambda: answer(server.stub.Freeze(text.requests((data_file,), delivery=SPLICE))))
    assert "WEIGHTS_NEEDED" == failed.reason
    assert "spec.delivery" == failed.field
    content = answer(server.stub.Freeze(text.requests()))
    splice = answer(server.stub.Freeze(text.requests(delivery=SPLICE)), text.paths)
    assert content.frozen == splice.frozen
    assert "frozen.pbtxt" == content.started.files[0].name


def test_a_checkpoint_of_which_a_part_stays_behind(server: Served, tmp_path: Path) -> None:
    """A V1 checkpoint is its own index: without one of its files it cannot be opened, and the client has that file."""
    names = ("graph.pbtxt", "model-00000-of-00002", "model-00001-of-00002")
    for name in names:
        (tmp_path / name).write_bytes((GRAPH_V1.folder / name.partition("-")[0]).read_bytes())
    model = Model(tmp_path, names[0], names, "model", GRAPH_V1.options)
    failed = failure(lambda: answer(server.stub.Freeze(model.requests(names[2:], delivery=SPLICE))))
    assert ("WEIGHTS_NEEDED", names[2]) == (failed.reason, failed.subject)


def test_small_chunks_make_the_same_upload(server: Served) -> None:
    """An upload in chunks of 97 bytes is the same upload."""
    got = answer(server.stub.Freeze(MOVING_AVERAGE.requests(chunk_bytes=97)))
    assert embedded(MOVING_AVERAGE) == got.frozen


def test_empty_files_are_there(server: Served) -> None:
    """A file of size 0 is there though no chunk comes for it: an empty model is malformed, not missing."""
    folder = server.spool_dir.parent
    (folder / "empty.pb").touch()
    model = Model(folder, "empty.pb", ("empty.pb",))
    failed = failure(lambda: answer(server.stub.Freeze(model.requests())))
    assert "MODEL_NOT_FOUND" != failed.reason


def test_request_id_comes_back(server: Served) -> None:
    """The caller's id is echoed in the initial metadata; without one, or with a bad one, one is made."""
    for sent, is_taken in (("build-42.a_b", True), ("bad id!", False), ("x" * 65, False)):
        call = server.stub.GetCapabilities.with_call
        _, done = call(freeze_service_pb2.GetCapabilitiesRequest(), metadata=[("tffreeze-request-id", sent)])
        got = dict(done.initial_metadata())["tffreeze-request-id"]
        assert is_taken == (got == sent)
        assert got == server.recorder.calls[-1].request_id


def test_capabilities(server: Served) -> None:
    """A server tells its version, limits, deliveries and model roots."""
    got = server.stub.GetCapabilities(freeze_service_pb2.GetCapabilitiesRequest())
    assert tffreeze.__version__ == got.server_version
    assert ["samples"] == list(got.model_roots)
    assert (1 << 20, 2 << 20) == (got.limits.max_content_chunk_bytes, got.limits.max_chunk_bytes)
    assert [1, 2] == list(got.deliveries)


def test_inspect_reads_no_data_files(server: Served) -> None:
    """An upload with the data file absent is inspected as the model in place is."""
    absent = MOVING_AVERAGE.names[-1:]
    spec = InspectSpec(source=MOVING_AVERAGE.source(absent))
    chunks = [InspectRequest(chunk=chunk) for chunk in MOVING_AVERAGE.chunks(absent)]
    in_root = InspectSpec(source=MOVING_AVERAGE.in_root("samples", FIXTURES))
    uploaded = server.stub.Inspect(iter([InspectRequest(spec=spec), *chunks])).inspection
    in_place = server.stub.Inspect(iter([InspectRequest(spec=in_root)])).inspection
    assert in_place == uploaded
    assert "meta_graph" == in_place.kind
    assert ["FOUND"] * len(in_place.variables) == [
        VariableStatus.Name(variable.status).removeprefix("VARIABLE_STATUS_")
        for variable in in_place.variables
    ]


def test_a_saved_model_comes_with_its_assets(server: Served, models_dir: Path) -> None:
    """A SavedModel is delivered as its message and its asset files, in order."""
    folder = models_dir / "tfx_trainer_serving"
    if not folder.is_dir():
        pytest.skip("tfx_trainer_serving is not among the models")
    names = tuple(sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()))
    options = options_pb2.FreezeOptions(as_saved_model=True)
    model = Model(folder, "saved_model.pb", names, options=options)
    content = answer(server.stub.Freeze(model.requests()))
    splice = answer(server.stub.Freeze(model.requests(delivery=SPLICE)), model.paths)
    assert "saved_model.pb" == content.started.files[0].name
    assert content.files == splice.files
    for file, data in zip(content.started.files[1:], content.files[1:], strict=True):
        assert (folder / file.name).read_bytes() == data
    assert len(content.files) > 1
