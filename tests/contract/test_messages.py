"""Engine values become messages and come back whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tffreeze.options import FreezeArguments, freeze_options, options_message
from tffreeze.v1 import freeze_service_pb2, inspection_pb2, model_pb2, options_pb2, report_pb2
from tffreeze_common.dataclass_fields import from_message, to_message
from tffreeze_common.inspection import (
    Inspection,
    SignatureInspection,
    TensorInspection,
    VariableInspection,
    VariableStatus,
)
from tffreeze_common.report import (
    DroppedReport,
    InitializerReport,
    Report,
    TensorReport,
    VariableReport,
    WarningReport,
)
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.rpc import messages
from tffreeze_server.tensors.data import FileRange

REPORT = Report(
    kind="saved_model",
    tags=("gpu", "serve"),
    signature_keys=("serving_default",),
    inputs=(TensorReport("serving_default", "x", "in:0", "in:0", "float32", None),),
    outputs=(
        TensorReport("serving_default", "y", "out:0", "y:0", "float32", ()),
        TensorReport("serving_default", "z", "out:1", "z:0", "", (-1, 3)),
    ),
    variables=(VariableReport("v", "v", "v/key", "saver", "float32", (2, 0), 1 << 40, ("a-of-1",)),),
    kept_variables=("kept",),
    initializers=(InitializerReport("init", "table", "vocab.txt"),),
    dropped=DroppedReport(7, 2, ("slot",), ("v/Adam", "v/Adam_1"), ("Assert",)),
    warnings=(WarningReport("RANDOM_OP", "It is random.", "dropout"),),
    nodes=5,
    functions=1,
    size_bytes=1 << 30,
    weights_bytes=12,
    crc32c="0badcafe",
)


def test_a_report_reaches_the_client_whole() -> None:
    """Unknown ranks, scalars, empty texts and large numbers survive the way to the client."""
    wire = to_message(report_pb2.Report(), REPORT).SerializeToString()
    assert REPORT == from_message(Report, report_pb2.Report.FromString(wire))


def test_an_inspection_reaches_the_client_whole() -> None:
    """Statuses, sets of tags and what is nested twice survive too."""
    tensor = TensorInspection("x", "in:0", "float32", (-1,), "Placeholder")
    variables = tuple(
        VariableInspection(str(status), "VariableV2", "", None, status, "", "", "", 0)
        for status in VariableStatus
    )
    inspection = Inspection(
        kind="saved_model",
        all_tags=(("gpu", "serve"), ()),
        tags=(),
        signatures=(SignatureInspection("key", "", (tensor,), ()),),
        savers=(),
        init_ops=("init",),
        assets=(),
        variables=variables,
        extra_keys=(),
        candidate_outputs=(),
        inputs=(tensor,),
        obstacles=(),
        nodes=1,
        functions=0,
        needs=(),
    )
    wire = to_message(inspection_pb2.Inspection(), inspection).SerializeToString()
    assert inspection == from_message(Inspection, inspection_pb2.Inspection.FromString(wire))


@pytest.mark.parametrize("number", [5, 1000, -1])
def test_a_status_of_a_newer_server_is_unspecified(number: int) -> None:
    """A number that this version does not know is no error."""
    message = inspection_pb2.VariableInspection(status=number)  # type: ignore[arg-type]  # the point of the test
    assert VariableStatus.UNSPECIFIED is from_message(VariableInspection, message).status


def test_a_report_as_json_is_plain() -> None:
    """What `--report` writes holds numbers as numbers and an unknown rank as null."""
    json = REPORT.to_json()
    assert json["variables"][0]["size_bytes"] == 1 << 40
    assert [tensor["shape"] for tensor in json["inputs"] + json["outputs"]] == [None, [], [-1, 3]]
    assert list(json) == list(Report.__dataclass_fields__)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ({}, FreezeOptions()),
        ({"tags": None, "restore_op": None, "checkpoint": "c"}, FreezeOptions()),
        ({"tags": ()}, FreezeOptions(tags=frozenset())),
        ({"tags": "serve"}, FreezeOptions(tags=frozenset(["serve"]))),
        ({"signature_keys": "predict"}, FreezeOptions(signature_keys=("predict",))),
        ({"output_nodes": ["b", "a"]}, FreezeOptions(output_nodes=("b", "a"))),
        (
            {"restore_op": "r", "filename_tensor": "f:0", "clear_devices": True, "deny": {"v"}},
            FreezeOptions(restore_op="r", filename_tensor="f:0", clear_devices=True, deny=("v",)),
        ),
        (
            {"moving_average": True, "rename_io": True, "as_saved_model": True, "as_text": True},
            FreezeOptions(moving_average=True, rename_io=True, as_saved_model=True, as_text=True),
        ),
    ],
)
def test_arguments_become_the_engines_options(arguments: FreezeArguments, options: FreezeOptions) -> None:
    """No tags and the tags of no name differ; one string is one name."""
    wire = options_message(arguments).SerializeToString()
    assert options == from_message(FreezeOptions, options_pb2.FreezeOptions.FromString(wire))
    assert options == freeze_options(arguments)


def test_an_argument_that_there_is_not_is_a_type_error() -> None:
    """A slip of the pen in Python is told as Python tells it."""
    with pytest.raises(TypeError, match="signatur_keys"):
        options_message({"signatur_keys": "a"})  # type: ignore[typeddict-unknown-key]  # the point of the test


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "a//b", "../x", "a/../b", "a/.", ".", "", "a\\b", "a\0b", "a/"]
)
@pytest.mark.parametrize("field", ["model", "checkpoint", "saver", "op_list"])
def test_a_path_that_leads_elsewhere_is_refused(field: str, name: str) -> None:
    """No path of a request leads out of its place."""
    source = model_pb2.ModelSource(model_root="root", model="model")
    setattr(source, field, name)
    if not name and field != "model":
        assert getattr(messages.source_from_message(source, Path("/root")), field) is None
        return
    with pytest.raises(FreezeError) as caught:
        messages.source_from_message(source, Path("/root"))
    assert (Reason.INVALID_OPTION if name else Reason.MODEL_NOT_FOUND) is caught.value.reason


def test_a_source_is_below_its_place() -> None:
    """Paths are joined to the place, and one absent file tells that weights are absent."""
    source = model_pb2.ModelSource(model="m/saved_model", checkpoint="c/ckpt")
    source.upload.files.add(name="c/ckpt.data-00000-of-00001", size_bytes=3, absent=True)
    expected = ModelSource(Path("/s/m/saved_model"), Path("/s/c/ckpt"), weights_present=False)
    assert expected == messages.source_from_message(source, Path("/s"))


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.integers(0, 3_000_000).map(lambda n: b"x" * n),
            st.builds(
                FileRange,
                st.sampled_from("ab"),
                st.integers(0, 9),
                st.integers(0, 9),
                st.none() | st.integers(0, 2**32 - 1),
            ),
        ),
        max_size=12,
    )
)
def test_a_splice_is_the_plan_in_small_messages(segments: list[bytes | FileRange]) -> None:
    """The pieces of all messages are the plan; no message is near gRPC's limit; none is empty."""
    sent = list(messages.splice_messages(segments, {"a": 4, "b": 0}, file_index=2))
    assert all(message.file_index == 2 and message.segments for message in sent)
    assert all(message.ByteSize() < 2 << 20 for message in sent)
    pieces = [_piece(piece) for message in sent for piece in message.segments]
    assert _joined(segments) == _joined(pieces)


def test_a_splice_that_needs_data_is_refused() -> None:
    """A range of a file that the client has not declared cannot be spliced."""
    with pytest.raises(FreezeError) as caught:
        list(messages.splice_messages([FileRange("c", 0, 1, None)], {"a": 0}))
    assert Reason.WEIGHTS_NEEDED is caught.value.reason


def _piece(piece: freeze_service_pb2.SpliceSegment) -> bytes | FileRange:
    if piece.WhichOneof("segment") == "literal":
        assert 0 < len(piece.literal) <= messages.MAX_LITERAL_BYTES
        return piece.literal
    part = piece.range
    crc32c = part.crc32c if part.HasField("crc32c") else None
    return FileRange({4: "a", 0: "b"}[part.file_index], part.offset_bytes, part.length_bytes, crc32c)


def _joined(segments: list[bytes | FileRange]) -> list[bytes | FileRange]:
    """Neighbouring literals as one, nothing empty."""
    joined: list[bytes | FileRange] = []
    for segment in segments:
        if isinstance(segment, FileRange):
            if segment.length_bytes:
                joined.append(segment)
        elif joined and isinstance(joined[-1], bytes):
            joined[-1] += segment
        elif segment:
            joined.append(segment)
    return joined
