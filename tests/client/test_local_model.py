"""Which files of a local model a server gets, and under which names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tffreeze.errors import TffreezeError
from tffreeze.local_model import find_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a SavedModel, a graph and checkpoints of both formats."""
    for name in (
        "sm/saved_model.pb",
        "sm/fingerprint.pb",
        "sm/variables/variables.index",
        "sm/variables/variables.data-00000-of-00001",
        "sm/assets/vocab/words.txt",
        "graph.pb",
        "saver.pb",
        "ops.pb",
        "ckpt/m-1.index",
        "ckpt/m-1.data-00000-of-00002",
        "ckpt/m-1.data-00001-of-00002",
        "ckpt/m-1.meta",
        "ckpt/m-10.index",
        "ckpt/m-10.data-00000-of-00001",
        "ckpt/v1",
        "ckpt/sharded-00000-of-00002",
        "ckpt/sharded-00001-of-00002",
        "ckpt/sub/deep.index",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


def _names(model: Path, **options: Any) -> list[str]:
    return [file.name for file in find_model(model, options).files]  # type: ignore[arg-type]  # options by name


def test_a_saved_model_is_its_message_and_its_variables(folder: Path) -> None:
    """What no freeze reads is not sent; assets go along for a SavedModel only."""
    needed = [
        "model/sm/saved_model.pb",
        "model/sm/variables/variables.data-00000-of-00001",
        "model/sm/variables/variables.index",
    ]
    assert needed == _names(folder / "sm")
    assert [*needed, "model/sm/assets/vocab/words.txt"] == _names(folder / "sm", as_saved_model=True)
    found = find_model(folder / "sm", {})
    assert ("model/sm", "") == (found.model, found.checkpoint)


def test_weights_are_declared_absent_when_they_stay(folder: Path) -> None:
    """Only data files may stay, and their sizes are declared all the same."""
    found = find_model(folder / "sm", {})
    for with_weights in (True, False):
        files = found.source(with_weights=with_weights).upload.files
        absent = [] if with_weights else ["model/sm/variables/variables.data-00000-of-00001"]
        assert absent == [file.name for file in files if file.absent]
        assert all(file.size_bytes > 0 for file in files)


def test_the_file_of_a_saved_model_is_the_saved_model(folder: Path) -> None:
    """`saved_model.pb` finds the variables beside it."""
    found = find_model(folder / "sm" / "saved_model.pb", {})
    assert found.model == "model/saved_model.pb"
    assert "model/variables/variables.index" in [file.name for file in found.files]


@pytest.mark.parametrize(
    ("checkpoint", "files"),
    [
        ("m-1", ["m-1.data-00000-of-00002", "m-1.data-00001-of-00002", "m-1.index"]),
        ("m-1.index", ["m-1.data-00000-of-00002", "m-1.data-00001-of-00002", "m-1.index"]),
        ("m-1.meta", ["m-1.data-00000-of-00002", "m-1.data-00001-of-00002", "m-1.index"]),
        ("m-10.data-00000-of-00001", ["m-10.data-00000-of-00001", "m-10.index"]),
        ("v1", ["v1"]),
        ("sharded", ["sharded-00000-of-00002", "sharded-00001-of-00002"]),
        ("sharded-00001-of-00002", ["sharded-00000-of-00002", "sharded-00001-of-00002"]),
        ("sharded-?????-of-00002", ["sharded-00000-of-00002", "sharded-00001-of-00002"]),
    ],
)
def test_a_checkpoint_is_found_by_any_of_its_names(checkpoint: str, files: list[str], folder: Path) -> None:
    """Prefix, index, meta, data and pattern name the same files, and no other checkpoint's."""
    found = find_model(folder / "graph.pb", {"checkpoint": folder / "ckpt" / checkpoint})
    assert ["model/graph.pb", *(f"checkpoint/{name}" for name in files)] == [
        file.name for file in found.files
    ]
    assert found.checkpoint == f"checkpoint/{checkpoint}"


@pytest.mark.parametrize(
    ("state", "file"),
    [
        ('model_checkpoint_path: "m-10"', "m-10.index"),
        (
            '# x\nmodel_checkpoint_path: "/gone/elsewhere/m-10"\nall_model_checkpoint_paths: "m-1"',
            "m-10.index",
        ),
        ('model_checkpoint_path : "C:\\\\models\\\\m-10"', "m-10.index"),
        ('model_checkpoint_path: "sub/deep"', "sub/deep.index"),
        ('model_checkpoint_path: "sub/deep.index"', "sub/deep.index"),
        ('model_checkpoint_path: "sharded-?????-of-00002"', "sharded-00001-of-00002"),
        ('model_checkpoint_path: "m-\\061\\060"', "m-10.index"),
    ],
)
def test_a_folder_is_asked_for_its_state_file(state: str, file: str, folder: Path) -> None:
    """The newest checkpoint goes along with the file that names it."""
    (folder / "ckpt" / "checkpoint").write_text(state)
    names = _names(folder / "graph.pb", checkpoint=folder / "ckpt")
    assert names[1] == "checkpoint/checkpoint"
    assert f"checkpoint/{file}" in names
    assert not any("m-1." in name for name in names)


def test_saver_and_op_list_go_along(folder: Path) -> None:
    """Files named by options have a place of their own."""
    found = find_model(folder / "graph.pb", {"saver": folder / "saver.pb", "op_list": str(folder / "ops.pb")})
    assert ("saver/saver.pb", "op_list/ops.pb") == (found.saver, found.op_list)
    assert ["model/graph.pb", "saver/saver.pb", "op_list/ops.pb"] == [file.name for file in found.files]


@pytest.mark.parametrize(
    ("model", "options", "reason"),
    [
        ("nope", {}, "MODEL_NOT_FOUND"),
        ("ckpt", {}, "MODEL_NOT_FOUND"),
        ("graph.pb", {"checkpoint": "ckpt/nope"}, "CHECKPOINT_NOT_FOUND"),
        ("graph.pb", {"checkpoint": "ckpt"}, "CHECKPOINT_NOT_FOUND"),
        ("graph.pb", {"saver": "nope"}, "FILE_NOT_READABLE"),
    ],
)
def test_what_is_not_there_is_an_error(
    model: str, options: dict[str, str], reason: str, folder: Path
) -> None:
    """Said before anything is sent."""
    paths = {name: folder / path for name, path in options.items()}
    with pytest.raises(TffreezeError) as caught:
        find_model(folder / model, paths)  # type: ignore[arg-type]  # options by name
    assert reason == caught.value.reason


@pytest.mark.parametrize("path", ["../m-1", "", "a/../../m-1"])
def test_a_state_file_does_not_lead_out_of_its_folder(path: str, folder: Path) -> None:
    """A state file of somebody else cannot have other files sent."""
    (folder / "ckpt" / "checkpoint").write_text(f'model_checkpoint_path: "{path}"')
    with pytest.raises(TffreezeError) as caught:
        find_model(folder / "graph.pb", {"checkpoint": folder / "ckpt"})
    assert caught.value.reason == "MALFORMED_CHECKPOINT"


def test_a_name_of_nothing_but_dots_is_no_prefix(folder: Path) -> None:
    """Such a file belongs to no checkpoint; it is found by its own name only."""
    (folder / "..index").write_bytes(b"")
    model = find_model(folder / "graph.pb", {"checkpoint": folder / "..index"})
    assert ["model/graph.pb", "checkpoint/..index"] == [file.name for file in model.files]
