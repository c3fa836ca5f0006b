"""From a frozen graph to its plan: encode it, and compute size and crc32c before the first byte is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.node import TensorValue
from tffreeze_server.plan.encode import graph_segments
from tffreeze_server.plan.encode_saved_model import saved_model_segments, text_saved_model_segments
from tffreeze_server.plan.encode_text import EscapedText, text_graph_segments
from tffreeze_server.plan.message_size import constants
from tffreeze_server.plan.plan import Plan, Segment
from tffreeze_server.plan.segments import size_bytes
from tffreeze_server.rewrite.frozen_graph import FrozenGraph
from tffreeze_server.tensors.crc32c import combine, extend
from tffreeze_server.tensors.data import Assembled, FileRange
from tffreeze_server.tensors.files import SourceFiles
from tffreeze_server.tensors.verified import constant_name, crc_of
from tffreeze_server.tfproto.saved_model_pb2 import MetaGraphDef


@dataclass(frozen=True, slots=True)
class OutputForm:
    """The form of the output.

    Attributes:
        as_saved_model: A SavedModel instead of a GraphDef.
        as_text: Text format instead of binary.
        tags: Tags of the SavedModel's MetaGraph.
        meta_graph: The original MetaGraph; a SavedModel keeps its op definitions.

    """

    as_saved_model: bool = False
    as_text: bool = False
    tags: frozenset[str] = frozenset()
    meta_graph: MetaGraphDef | None = None


def make_plan(
    graph: FrozenGraph,
    files: Mapping[str, Path],
    form: OutputForm = OutputForm(),
    *,
    weights_present: bool = True,
) -> Plan:
    """Plan how to write a frozen graph.

    The crc32c of the result is combined from those that the checkpoint stores for its tensors. A value without one
    (assembled from slices, or a large constant of the model) is read once to compute it. Text format reads every
    value once.

    Args:
        graph: The graph to write.
        files: The path of each file that its values name.
        form: The form of the output.
        weights_present: False if data files stay with the caller. If they must be read, that is an error.

    Raises:
        FreezeError: GRAPH_TOO_LARGE before any work; for values that must be read: SHARD_NOT_FOUND (or
            WEIGHTS_NEEDED if they stay with the caller), CHECKSUM_MISMATCH, FILE_NOT_READABLE, MALFORMED_CHECKPOINT.

    """
    names = _constant_names(graph)
    with SourceFiles(files) as source:
        try:
            segments, crc = _with_crcs(_encode(graph, source, form), source, names)
        except FreezeError as error:
            if weights_present or error.reason is not Reason.SHARD_NOT_FOUND:
                raise
            raise _needs_data(error.subject) from None
    return Plan(tuple(segments), dict(files), size_bytes(segments), crc, names)


def _constant_names(graph: FrozenGraph) -> dict[tuple[str, int], str]:
    names: dict[tuple[str, int], str] = {}
    for name, value in constants(graph):
        for piece in _ranges(value):
            names.setdefault((piece.file, piece.offset_bytes), name)
    return names


def _ranges(value: TensorValue) -> tuple[FileRange, ...]:
    if isinstance(value.data, FileRange):
        return (value.data,)
    return value.data.ranges if isinstance(value.data, Assembled) else ()


def _encode(graph: FrozenGraph, source: SourceFiles, form: OutputForm) -> list[Segment]:
    if form.as_saved_model and form.as_text:
        return text_saved_model_segments(graph, form.tags, form.meta_graph, source)
    if form.as_saved_model:
        return saved_model_segments(graph, form.tags, form.meta_graph)
    if form.as_text:
        return text_graph_segments(graph, source)
    return graph_segments(graph)


def _with_crcs(
    segments: Iterable[Segment], source: SourceFiles, names: Mapping[tuple[str, int], str]
) -> tuple[list[Segment], int]:
    """Compute the crc32c of ranges that lack it, and combine all."""
    filled: list[Segment] = []
    crc = 0
    for segment in segments:
        if isinstance(segment, bytes):
            crc = extend(crc, segment)
            filled.append(segment)
            continue
        known = segment.crc32c if isinstance(segment, FileRange | EscapedText) else None
        if known is None:
            known = crc_of(segment, source, constant_name(segment, names))
        crc = combine(crc, known, segment.length_bytes)
        filled.append(replace(segment, crc32c=known) if isinstance(segment, FileRange) else segment)
    return filled, crc


def _needs_data(file: str) -> FreezeError:
    return FreezeError(
        Reason.WEIGHTS_NEEDED,
        f"The data file {file!r} was not uploaded, and this freeze must read it: a value is assembled from "
        "slices, must be decoded, or has no checksum in the index, or you asked for text format. "
        "Upload the data files, too, or freeze without a server.",
        subject=file,
    )
