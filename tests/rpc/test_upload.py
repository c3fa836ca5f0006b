"""What may be declared, and which chunk may come when."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tffreeze.v1.model_pb2 import Upload, UploadedFile
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc.chunk import Chunk
from tffreeze_server.rpc.limits import CallSettings
from tffreeze_server.rpc.place import DeclaredFile
from tffreeze_server.rpc.upload import MAX_FOLDERS, ChunkOrder, declared_files

SETTINGS = CallSettings(spool_dir=Path("/nowhere"), max_upload_bytes=1000, max_upload_files=5)


def declare(*files: tuple[str, int, bool] | str, absent_allowed: bool = True) -> tuple[DeclaredFile, ...]:
    """Declare files, given by name or by name, size and absence."""
    told = [(file, 1, False) if isinstance(file, str) else file for file in files]
    upload = Upload(files=[UploadedFile(name=n, size_bytes=s, absent=a) for n, s, a in told])
    return declared_files(upload, SETTINGS, absent_allowed=absent_allowed)


@pytest.mark.parametrize(
    "name",
    [
        "", "/etc/passwd", "..", "../x", "a/../../x", "a/..", ".", "./a", "a/./b", "a//b", "a/", "/",
        "a\\b", "..\\x", "C:\\x", "a\0b", "\0", "x" * 256, "a/" * 16 + "a", "ä" * 128, "x/" * 600,
    ],
)  # fmt: skip
def test_bad_names(name: str) -> None:
    """A name that leads out of its folder, or that no file system takes, is refused with its field."""
    with pytest.raises(FreezeError) as raised:
        declare("good", name)
    assert Reason.UPLOAD_MALFORMED == raised.value.reason
    assert "spec.source.upload.files[1].name" == raised.value.field


@pytest.mark.parametrize(
    "name", ["a", "a/b/c", "..a", "a..", "...", "a b", "ä/ö", "-rf", "~", "x" * 255, "C:", "a/" * 15 + "a"]
)
def test_good_names(name: str) -> None:
    """What is odd but harmless is taken as it is."""
    assert (DeclaredFile(name, 1, False),) == declare(name)


@pytest.mark.parametrize(
    "names",
    [("a", "a"), ("a", "A"), ("x/é", "x/É"), ("é", "e\u0301"), ("ß", "SS"), ("a", "a/b"), ("a/b/c", "A/B")],
)
def test_clashing_names(names: tuple[str, ...]) -> None:
    """Two names for one place, also where case does not count, and a file that is a folder too, are refused."""
    with pytest.raises(FreezeError) as raised:
        declare(*names)
    assert Reason.UPLOAD_MALFORMED == raised.value.reason


def test_sizes() -> None:
    """Negative sizes are malformed; too many bytes or files are too large; absent files do not count."""
    for files, reason in (
        ([("a", -1, False)], Reason.UPLOAD_MALFORMED),
        ([("a", -(1 << 63), True)], Reason.UPLOAD_MALFORMED),
        ([("a", 1001, False)], Reason.UPLOAD_TOO_LARGE),
        ([("a", (1 << 63) - 1, False), ("b", (1 << 63) - 1, False)], Reason.UPLOAD_TOO_LARGE),
        ([(str(i), 0, True) for i in range(6)], Reason.UPLOAD_TOO_LARGE),
    ):
        with pytest.raises(FreezeError) as raised:
            declare(*files)
        assert reason == raised.value.reason
    assert 2 == len(declare(("a", 1000, False), ("b", 1 << 62, True)))


def test_folders_are_counted() -> None:
    """The folders of an upload are limited; one that several files lie in counts once."""
    many = dataclasses.replace(SETTINGS, max_upload_files=MAX_FOLDERS, max_upload_bytes=0)
    deep = "/".join("x" * 13)
    for groups, is_taken in ((75, True), (77, False)):
        names = [f"{group}/{deep[:-2]}/{file}" for group in range(groups) for file in "abc"]
        upload = Upload(files=[UploadedFile(name=name, size_bytes=1) for name in names])
        if is_taken:
            assert len(names) == len(declared_files(upload, many, absent_allowed=False))
            continue
        with pytest.raises(FreezeError, match="1,001 folders") as raised:
            declared_files(upload, many, absent_allowed=False)
        assert Reason.UPLOAD_TOO_LARGE == raised.value.reason


def test_absent_only_where_allowed() -> None:
    """With CONTENT nothing may be absent."""
    with pytest.raises(FreezeError) as raised:
        declare(("a", 1, True), absent_allowed=False)
    assert "spec.source.upload.files[0].absent" == raised.value.field


FILES = st.lists(
    st.tuples(st.integers(0, 40), st.booleans()).map(lambda it: DeclaredFile("f", it[0], it[1])), max_size=5
)


def chunks_of(files: list[DeclaredFile], chunk_bytes: int) -> list[Chunk]:
    """What a client sends."""
    return [
        Chunk(index, start, bytes(min(chunk_bytes, file.size_bytes - start)))
        for index, file in enumerate(files)
        if not file.absent
        for start in range(0, file.size_bytes, chunk_bytes)
    ]


def take(files: list[DeclaredFile], chunks: list[Chunk]) -> None:
    """Receive an upload."""
    order = ChunkOrder(files, 16)
    for chunk in chunks:
        order.accept(chunk)
    if not order.is_complete:
        order.finish()
        raise AssertionError("an upload that is not complete was taken")
    order.finish()


@settings(deadline=None)
@given(FILES, st.integers(1, 16))
def test_a_right_upload_is_taken(files: list[DeclaredFile], chunk_bytes: int) -> None:
    """Files in order, each from start to end, in chunks of any size: taken."""
    take(files, chunks_of(files, chunk_bytes))


@settings(deadline=None)
@given(FILES, st.integers(1, 16), st.data())
def test_any_other_upload_is_refused(
    files: list[DeclaredFile], chunk_bytes: int, data: st.DataObject
) -> None:
    """One chunk missing, twice, swapped, moved, longer, shorter or empty: refused before the upload is whole."""
    right = chunks_of(files, chunk_bytes)
    if not right:
        right = [Chunk(0, 0, b"x")]
        wrong = right
    else:
        at = data.draw(st.integers(0, len(right) - 1))
        chunk = right[at]
        wrong = list(right)
        wrong[at : at + 1] = data.draw(
            st.sampled_from(
                [
                    [],
                    [chunk, chunk],
                    [chunk._replace(data=b"")],
                    [chunk._replace(data=bytes(chunk.data) + b"x")],
                    [chunk._replace(data=bytes(chunk.data)[:-1])],
                    [chunk._replace(data=bytes(17))],
                    [chunk._replace(offset_bytes=chunk.offset_bytes + 1)],
                    [chunk._replace(offset_bytes=-1)],
                    [chunk._replace(file_index=chunk.file_index + 1)],
                    [chunk._replace(file_index=-1)],
                    [chunk._replace(file_index=1 << 30)],
                ]
            )
        )
    with pytest.raises(FreezeError) as raised:
        take(files, wrong)
    assert Reason.UPLOAD_MALFORMED == raised.value.reason
    assert raised.value.field.startswith("chunk")
