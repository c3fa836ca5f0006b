"""What a plan knows before the first byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from emit.samples import KERNEL, SHARD, Halves, dense_graph, kernel_range, one_constant, write_shard
from emit.test_encode import encoded
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.plan.measure import OutputForm, make_plan
from tffreeze_server.rewrite.frozen_graph import FrozenGraph
from tffreeze_server.tensors.crc32c import extend
from tffreeze_server.tensors.data import FileRange

HALVES = Halves(FileRange(SHARD, 4, 12, None), FileRange(SHARD, 16, 12, None), 24)
FORMS = [OutputForm(s, t) for s in (False, True) for t in (False, True)]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("kernel", [kernel_range(extend(0, KERNEL)), kernel_range(None), HALVES], ids=str)
def test_size_and_crc_are_those_of_the_bytes(
    tmp_path: Path, form: OutputForm, kernel: FileRange | Halves
) -> None:
    """Size and crc32c of the plan are those of what is written, in every form and from every source."""
    files = write_shard(tmp_path)
    plan = make_plan(dense_graph(kernel), files, form)
    data = encoded(dense_graph(kernel), files, form)
    assert (len(data), extend(0, data)) == (plan.size_bytes, plan.crc32c)


def test_stated_checksums_need_no_data() -> None:
    """Where every value's crc32c is stated the plan is made though the data is elsewhere."""
    assert make_plan(dense_graph(), {}, weights_present=False).size_bytes > len(KERNEL)


def test_a_range_without_a_checksum_gets_the_one_that_was_read(tmp_path: Path) -> None:
    """So that it is checked when it is copied."""
    plan = make_plan(dense_graph(kernel_range(None)), write_shard(tmp_path))
    assert kernel_range(extend(0, KERNEL)) in plan.segments


@pytest.mark.parametrize(
    ("graph", "form"),
    [
        (dense_graph(HALVES), OutputForm()),
        (dense_graph(kernel_range(None)), OutputForm()),
        (dense_graph(), OutputForm(as_text=True)),
    ],
    ids=["assembled", "no checksum", "text"],
)
def test_data_that_stays_with_the_caller_and_must_be_read_is_an_error(
    graph: FrozenGraph, form: OutputForm
) -> None:
    """The error says that the data is needed, and for what."""
    with pytest.raises(FreezeError) as caught:
        make_plan(graph, {}, form, weights_present=False)
    assert (Reason.WEIGHTS_NEEDED, SHARD) == (caught.value.reason, caught.value.subject)
    assert "was not uploaded" in caught.value.message


def test_a_missing_shard_is_named() -> None:
    """Without splice a missing file is said to be missing."""
    with pytest.raises(FreezeError) as caught:
        make_plan(dense_graph(HALVES), {})
    assert (Reason.SHARD_NOT_FOUND, SHARD) == (caught.value.reason, caught.value.subject)
    assert "is missing" in caught.value.message


def test_constants_are_known_by_where_their_bytes_are() -> None:
    """For messages: the name of the constant for each range, with its function for one in a body."""
    plan = make_plan(dense_graph(), {})
    assert {(SHARD, 4): "kernel", (SHARD, 28): "AddBias/bias"} == dict(plan.constants)


def test_a_file_too_short_is_an_error_of_the_file(tmp_path: Path) -> None:
    """A shard that was cut short is said to be."""
    files = write_shard(tmp_path)
    files[SHARD].write_bytes(b"short")
    with pytest.raises(FreezeError) as caught:
        make_plan(one_constant(replace(kernel_range(None)), (2, 3)), files)
    assert Reason.MALFORMED_CHECKPOINT is caught.value.reason
