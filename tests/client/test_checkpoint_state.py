"""The client names the checkpoint that the engine would: both read the state file alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tffreeze.checkpoint_state import MAX_STATE_BYTES, newest_checkpoint
from tffreeze.errors import TffreezeError
from tffreeze_server.checkpoint import find_checkpoint
from tffreeze_server.errors import FreezeError

TEXTS = [
    b'model_checkpoint_path: "m-1"',
    b"model_checkpoint_path: 'm-1'",
    b'model_checkpoint_path : "m-" "1"',
    b"model_checkpoint_path: \"m\" # a comment\n'-1'",
    b'# model_checkpoint_path: "x"\nmodel_checkpoint_path: "m-1"',
    b'all_model_checkpoint_paths: "model_checkpoint_path: \\"x\\""\nmodel_checkpoint_path: "m-1"',
    b'model_checkpoint_path: "gr\\303\\274n-1"',
    b'model_checkpoint_path: "gr\\xc3\\xbcn-1"',
    b'model_checkpoint_path: "gr\\u00fcn-1"',
    b'model_checkpoint_path: "\\U0001f600"',
    'model_checkpoint_path: "grün-1"'.encode(),
    'model_checkpoint_path: "grün-1"'.encode("latin-1"),
    b'model_checkpoint_path: "\\377"',
    b'model_checkpoint_path: "a\\tb\\n\\"c\\\\d\\\'e"',
    b'model_checkpoint_path: "a\\0b"',
    b'model_checkpoint_path: "/\\0/a"',
    b'model_checkpoint_path: "C:\\\\models\\\\m-10"',
    b'model_checkpoint_path: "/gone/elsewhere/m-10"',
    b'model_checkpoint_path: "sub/deep"',
    b'model_checkpoint_path: "./m-1"',
    b'model_checkpoint_path: "../m-1"',
    b'model_checkpoint_path: "a/../../m-1"',
    b'model_checkpoint_path: "/"',
    b'model_checkpoint_path: "."',
    b'model_checkpoint_path: ""',
    b'model_checkpoint_path: "m-1"\nmodel_checkpoint_path: "m-2"',
    b'model_checkpoint_path: "m-1"\nall_model_checkpoint_timestamps: 1.5\nlast_preserved_timestamp: 2e9',
    b'model_checkpoint_path: "m-1"\nall_model_checkpoint_timestamps: "no number"',
    b'model_checkpoint_path: "m-1"\nnew_field: { inner: [1, 2] }',
    b'model_checkpoint_path: "m-1',
    b"model_checkpoint_path: m-1",
    b"model_checkpoint_path: 7",
    b"model_checkpoint_path",
    b"",
    b"\0",
    b"a { " * 3000,
]


def _client(state: Path) -> object:
    try:
        return newest_checkpoint(state).parts
    except TffreezeError as error:
        return error.reason


def _engine(state: Path) -> object:
    try:
        return find_checkpoint._parts_inside(find_checkpoint._read_state(state))
    except FreezeError as error:
        return error.reason.name


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_both_read_the_same(text: bytes, tmp_path: Path) -> None:
    """Escapes, comments, quotes, other fields and what is no text at all."""
    state = tmp_path / "checkpoint"
    state.write_bytes(text)
    assert _engine(state) == _client(state)


def test_octal_utf8_is_a_name(tmp_path: Path) -> None:
    """As TensorFlow writes names that are not ASCII."""
    (tmp_path / "checkpoint").write_bytes(b'model_checkpoint_path: "gr\\303\\274n-1"')
    assert ("grün-1",) == _client(tmp_path / "checkpoint")


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(['"', "'", "\\", "\\303\\274", "\\x41", "\\n", "/", "..", "a", "ü", "\0", ":", "\n"])
    )
)
def test_both_read_whatever_is_written(tmp_path: Path, pieces: list[str]) -> None:
    """Any string after the field's name."""
    state = tmp_path / "checkpoint"
    state.write_bytes(f'model_checkpoint_path: "{"".join(pieces)}"'.encode())
    assert _engine(state) == _client(state)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_both_refuse_the_same_bytes(tmp_path: Path, data: bytes) -> None:
    """Any bytes in the string."""
    state = tmp_path / "checkpoint"
    state.write_bytes(b'model_checkpoint_path: "' + data + b'"')
    assert _engine(state) == _client(state)


def test_a_large_state_file_is_refused_by_both(tmp_path: Path) -> None:
    """A list of checkpoints is short."""
    state = tmp_path / "checkpoint"
    state.write_bytes(b" " * (MAX_STATE_BYTES + 1))
    assert find_checkpoint.MAX_STATE_BYTES == MAX_STATE_BYTES
    assert _engine(state) == _client(state) == "MALFORMED_CHECKPOINT"
