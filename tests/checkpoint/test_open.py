"""What a caller may call a checkpoint, and what is said when it is not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from checkpoint.bundle_writer import Stored, data_file, read, write_bundle, write_v1
from tffreeze_server.checkpoint.open import open_checkpoint
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.tfproto.tensor_pb2 import TensorProto

TENSORS = [Stored("k", 6, (2,), b"ab")]


def v1_tensor(key: str, value: int) -> tuple[str, int, tuple[int, ...], list[tuple[int, int]], TensorProto]:
    """A V1 tensor of one int8."""
    return (key, 6, (1,), [(0, -1)], TensorProto(int_val=[value]))


def error_of(location: Path) -> FreezeError:
    """The error that a location gives."""
    with pytest.raises(FreezeError) as caught:
        open_checkpoint(location)
    return caught.value


@pytest.mark.parametrize(
    "name", ["m.ckpt-7", "m.ckpt-7.index", "m.ckpt-7.meta", "m.ckpt-7.data-00000-of-00001"]
)
@pytest.mark.parametrize("meta_is_there", [False, True])
def test_any_file_of_a_v2_checkpoint_names_it(tmp_path: Path, name: str, meta_is_there: bool) -> None:
    """Prefix, index, meta graph and data file are as good; the data and meta files need not be there."""
    prefix = write_bundle(tmp_path / "m.ckpt-7", TENSORS)
    if meta_is_there:
        prefix.with_name("m.ckpt-7.meta").write_bytes(b"")
    checkpoint = open_checkpoint(tmp_path / name)
    assert ("m.ckpt-7", "v2") == (checkpoint.name, checkpoint.kind)
    assert b"ab" == read(checkpoint, "k")


@pytest.mark.parametrize("name", ["m", "m.meta"])
def test_a_v1_checkpoint_is_told_by_what_is_there(tmp_path: Path, name: str) -> None:
    """One file that is a table by itself."""
    write_v1(tmp_path / "m", [v1_tensor("k", 5)])
    assert ("v1", b"\5") == ((opened := open_checkpoint(tmp_path / name)).kind, read(opened, "k"))


@pytest.mark.parametrize(
    "name", ["m", "m-?????-of-00002", "m-?????-of-?????", "m-00000-of-00002", "m-00001-of-00002", "m.meta"]
)
def test_a_sharded_v1_checkpoint_is_all_its_files(tmp_path: Path, name: str) -> None:
    """Whichever file or pattern names it."""
    write_v1(tmp_path / "m-00000-of-00002", [v1_tensor("a", 1)])
    write_v1(tmp_path / "m-00001-of-00002", [v1_tensor("b", 2)])
    checkpoint = open_checkpoint(tmp_path / name)
    assert ("m", b"\1", b"\2") == (checkpoint.name, read(checkpoint, "a"), read(checkpoint, "b"))
    assert ("m-00001-of-00002",) == checkpoint.entries["b"].shards


def test_v2_goes_before_v1_of_the_same_name(tmp_path: Path) -> None:
    """As RestoreV2 does."""
    write_v1(write_bundle(tmp_path / "m", TENSORS), [v1_tensor("k", 5)])
    assert "v2" == open_checkpoint(tmp_path / "m").kind


def test_a_missing_v1_shard_is_named(tmp_path: Path) -> None:
    """A checkpoint of two files is not opened as one of one."""
    write_v1(tmp_path / "m-00000-of-00002", [v1_tensor("a", 1)])
    error = error_of(tmp_path / "m")
    assert Reason.SHARD_NOT_FOUND == error.reason
    assert "'m-00001-of-00002' is missing" in error.message


def test_v1_shards_of_two_checkpoints_are_not_mixed(tmp_path: Path) -> None:
    """Which is meant is asked for, and a file of one tells."""
    write_v1(tmp_path / "m-00000-of-00001", [v1_tensor("a", 1)])
    write_v1(tmp_path / "m-00000-of-00002", [v1_tensor("a", 2)])
    write_v1(tmp_path / "m-00001-of-00002", [v1_tensor("b", 3)])
    assert Reason.CHECKPOINT_NOT_FOUND == error_of(tmp_path / "m").reason
    assert b"\2" == read(open_checkpoint(tmp_path / "m-00000-of-00002"), "a")
    assert b"\1" == read(open_checkpoint(tmp_path / "m-?????-of-00001"), "a")


def test_a_million_million_v1_shards_are_missing_at_once(tmp_path: Path) -> None:
    """The number in a name is not counted up to."""
    write_v1(tmp_path / "m-00000-of-999999999999", [v1_tensor("a", 1)])
    assert Reason.SHARD_NOT_FOUND == error_of(tmp_path / "m").reason


@pytest.mark.parametrize(
    "named", ["m-2", "/home/someone/else/m-2", "C:\\\\models\\\\m-2", "./m-2", "sub/m-3"]
)
def test_a_folder_is_asked_for_its_newest_checkpoint(tmp_path: Path, named: str) -> None:
    """Its state file names it, relative to the folder; an absolute path of another machine counts by its end."""
    (tmp_path / "sub").mkdir()
    for name in ("m-1", "m-2", "sub/m-3"):
        write_bundle(tmp_path / name, [Stored("k", 6, (3,), name[-3:].encode())])
    (tmp_path / "checkpoint").write_text(
        f'model_checkpoint_path: "{named}"\nall_model_checkpoint_paths: "m-1"\nall_model_checkpoint_timestamps: 1.5\n'
    )
    assert named[-3:].encode() == read(open_checkpoint(tmp_path), "k")


@pytest.mark.parametrize(
    "named",
    ["", "/", "..", "../m", "sub/../../m", ".", "a\\000b", "/x/..", "C:\\\\", "\\\\\\\\host\\\\share\\\\.."],
)
def test_a_state_file_never_leads_out_of_its_folder(tmp_path: Path, named: str) -> None:
    """Paths with `..` and paths to nothing are refused, even where a checkpoint is there."""
    folder = tmp_path / "folder"
    folder.mkdir()
    write_bundle(tmp_path / "m", TENSORS)
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{named}"\n')
    assert Reason.MALFORMED_CHECKPOINT == error_of(folder).reason


@pytest.mark.parametrize(
    "text", [b"\xff\xfe", b"not a state", b"model_checkpoint_path: 5", b"{" * 100_000, b"a{" * 9999]
)
def test_a_state_file_that_is_none_is_refused(tmp_path: Path, text: bytes) -> None:
    """Whatever is in it."""
    (tmp_path / "checkpoint").write_bytes(text)
    assert Reason.MALFORMED_CHECKPOINT == error_of(tmp_path).reason


def test_a_state_file_that_names_what_is_gone_says_what_is_there(tmp_path: Path) -> None:
    """The checkpoints of the folder are listed."""
    write_bundle(tmp_path / "m-1", TENSORS)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/m-2"')
    error = error_of(tmp_path)
    assert Reason.CHECKPOINT_NOT_FOUND == error.reason
    assert "'m-2'" in error.message
    assert "'m-1'" in error.message
    assert "elsewhere" not in error.message


def test_a_folder_of_the_same_name_does_not_hide_a_checkpoint(tmp_path: Path) -> None:
    """`m.index` beside a folder `m`."""
    write_bundle(tmp_path / "m", TENSORS)
    (tmp_path / "m").mkdir()
    assert b"ab" == read(open_checkpoint(tmp_path / "m"), "k")


def test_a_folder_without_a_state_file_says_what_is_there(tmp_path: Path) -> None:
    """One of its checkpoints is not picked: which is newest is not known."""
    write_bundle(tmp_path / "m-1", TENSORS)
    write_v1(tmp_path / "v-00000-of-00001", [v1_tensor("a", 1)])
    error = error_of(tmp_path)
    assert Reason.CHECKPOINT_NOT_FOUND == error.reason
    assert "'m-1', 'v'" in error.message


def test_an_unknown_prefix_is_told_the_nearest(tmp_path: Path) -> None:
    """And an empty folder what files it has; no path of the machine is told."""
    write_bundle(tmp_path / "model.ckpt-100", TENSORS)
    error = error_of(tmp_path / "model.ckpt-1000")
    assert Reason.CHECKPOINT_NOT_FOUND == error.reason
    assert "Did you mean 'model.ckpt-100'?" in error.message
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("")
    assert "'notes.txt'" in error_of(tmp_path / "other" / "m").message
    for location in (tmp_path / "m", tmp_path / "other" / "m", tmp_path / "none" / "m", tmp_path / "other"):
        assert str(tmp_path) not in error_of(location).message


def test_data_without_its_index_is_told_so(tmp_path: Path) -> None:
    """The file that is missing is named."""
    data_file(tmp_path / "m").write_bytes(b"ab")
    error = error_of(tmp_path / "m")
    assert Reason.CHECKPOINT_NOT_FOUND == error.reason
    assert "no 'm.index'" in error.message


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    """By its content; an empty one too."""
    for content in (b"", b"hello", b"\0" * 5000):
        (tmp_path / "m").write_bytes(content)
        assert Reason.MALFORMED_CHECKPOINT == error_of(tmp_path / "m").reason


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    """What is no plain file is not opened."""
    os.mkfifo(tmp_path / "m.index")
    assert Reason.FILE_NOT_READABLE == error_of(tmp_path / "m").reason
    os.mkfifo(tmp_path / "v")
    assert Reason.FILE_NOT_READABLE == error_of(tmp_path / "v").reason


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_a_name_that_no_file_has_is_not_found_or_not_readable(tmp_path: Path, name: str) -> None:
    """The system's refusal is an error with a reason."""
    assert error_of(tmp_path / name).reason in (Reason.CHECKPOINT_NOT_FOUND, Reason.FILE_NOT_READABLE)


def test_names_that_look_like_patterns_are_names(tmp_path: Path) -> None:
    """Brackets, stars and question marks of a prefix match nothing but themselves."""
    write_v1(tmp_path / "m[1]*-00000-of-00001", [v1_tensor("a", 1)])
    write_v1(tmp_path / "m1x-00000-of-00001", [v1_tensor("a", 2)])
    assert b"\1" == read(open_checkpoint(tmp_path / "m[1]*"), "a")
    assert Reason.CHECKPOINT_NOT_FOUND == error_of(tmp_path / "m?x").reason
