"""A SavedModel directory appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from emit.samples import SHARD, dense_graph, write_shard
from tffreeze_server.emit.directory import write_directory
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.plan.measure import OutputForm, make_plan
from tffreeze_server.plan.plan import Plan


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A plan of a SavedModel over a shard in `tmp_path/in`, with an empty `tmp_path/out` beside it."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    return make_plan(dense_graph(), write_shard(tmp_path / "in"), OutputForm(as_saved_model=True))


def test_the_folder_holds_model_and_assets(tmp_path: Path, plan: Plan) -> None:
    """The message by its usual name, each asset below `assets`, nothing else."""
    (tmp_path / "words").write_text("one")
    target = tmp_path / "out" / "frozen"
    write_directory(plan, target, {"a/words.txt": tmp_path / "words"})
    assert plan.size_bytes == (target / "saved_model.pb").stat().st_size
    assert "one" == (target / "assets" / "a" / "words.txt").read_text()
    assert {"saved_model.pb", "assets"} == {path.name for path in target.iterdir()}
    assert [target] == list(target.parent.iterdir())


def test_an_empty_folder_is_taken(tmp_path: Path, plan: Plan) -> None:
    """A folder made for it is as good as none."""
    write_directory(plan, tmp_path / "out", {})
    assert ["saved_model.pb"] == [path.name for path in (tmp_path / "out").iterdir()]


def test_text_has_its_own_name(tmp_path: Path, plan: Plan) -> None:
    """Loaders tell the form by the name."""
    write_directory(plan, tmp_path / "out", {}, as_text=True)
    assert ["saved_model.pbtxt"] == [path.name for path in (tmp_path / "out").iterdir()]


def test_a_folder_with_files_is_refused(tmp_path: Path, plan: Plan) -> None:
    """What is there stays as it is."""
    (tmp_path / "out" / "mine").write_text("precious")
    with pytest.raises(FreezeError, match="with files in it") as caught:
        write_directory(plan, tmp_path / "out", {})
    assert Reason.OUTPUT_NOT_WRITABLE is caught.value.reason
    assert ["mine"] == [path.name for path in (tmp_path / "out").iterdir()]


def test_a_file_is_refused(tmp_path: Path, plan: Plan) -> None:
    """A SavedModel is a folder."""
    (tmp_path / "file").write_text("precious")
    with pytest.raises(FreezeError, match="is a file") as caught:
        write_directory(plan, tmp_path / "file", {})
    assert Reason.OUTPUT_NOT_WRITABLE is caught.value.reason


def test_a_missing_parent_is_named(tmp_path: Path, plan: Plan) -> None:
    """No folders are made on the way."""
    with pytest.raises(FreezeError, match="not a folder") as caught:
        write_directory(plan, tmp_path / "missing" / "frozen", {})
    assert Reason.OUTPUT_NOT_WRITABLE is caught.value.reason


def test_a_missing_asset_leaves_nothing(tmp_path: Path, plan: Plan) -> None:
    """The error names the asset."""
    with pytest.raises(FreezeError, match=r"words\.txt") as caught:
        write_directory(plan, tmp_path / "out" / "frozen", {"words.txt": tmp_path / "absent"})
    assert (Reason.MALFORMED_MODEL, "words.txt") == (caught.value.reason, caught.value.subject)
    assert [] == list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("name", ["../escaped", "a/../../escaped", "/escaped", ""])
def test_an_asset_may_not_leave_its_folder(tmp_path: Path, plan: Plan, name: str) -> None:
    """A name from a hostile model writes nothing elsewhere."""
    (tmp_path / "words").write_text("one")
    with pytest.raises(FreezeError, match="outside") as caught:
        write_directory(plan, tmp_path / "out" / "frozen", {name: tmp_path / "words"})
    assert Reason.MALFORMED_MODEL is caught.value.reason
    assert [] == list((tmp_path / "out").iterdir())


def test_a_damaged_weight_leaves_nothing(tmp_path: Path, plan: Plan) -> None:
    """The error is that of the weight."""
    shard = tmp_path / "in" / SHARD
    shard.write_bytes(bytes(len(shard.read_bytes())))
    with pytest.raises(FreezeError) as caught:
        write_directory(plan, tmp_path / "out" / "frozen", {})
    assert Reason.CHECKSUM_MISMATCH is caught.value.reason
    assert [] == list((tmp_path / "out").iterdir())
