"""What lies beside what, by names and the last bytes of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tffreeze_files.layout import checkpoint_beside, instead_of_model

TABLE_END = bytes.fromhex("57fb808b247547db")


@pytest.mark.parametrize(
    ("model", "other", "prefix"),
    [
        ("m.meta", "m.index", "m"),
        ("m.1.meta", "m.1.index", "m.1"),
        ("m.meta", "m", "m"),
        ("m.meta", "n.index", None),
        ("m.pb", "m.index", None),
        (".meta", ".index", None),
        ("..meta", "..index", None),
        ("...meta", "...index", None),
    ],
)
def test_a_checkpoint_beside_a_meta_file(model: str, other: str, prefix: str | None, tmp_path: Path) -> None:
    """Of either format; a name of nothing but dots is no prefix."""
    (tmp_path / other).write_bytes(TABLE_END)
    assert (tmp_path / prefix if prefix else None) == checkpoint_beside(tmp_path / model)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("m.data-00000-of-00001", b"", "a data file of a checkpoint"),
        ("m\n.data-00000-of-00001", b"", "a data file of a checkpoint"),
        ("m.index", b"12345" + TABLE_END, "the index of a checkpoint"),
        ("m.index", TABLE_END, "the index of a checkpoint"),
        ("v1", b"12345" + TABLE_END, "a V1 checkpoint"),
        ("v1", TABLE_END + b"1", None),
        ("v1", TABLE_END[1:], None),
        ("m.index", b"", None),
        ("m.data-00000-of-00001\n", b"", None),
        ("m.data-0000-of-00001", b"", None),
        (".data-00000-of-00001", b"", None),
        ("..data-00000-of-00001", b"", None),
        ("..index", TABLE_END, "a V1 checkpoint"),
    ],
)
def test_a_file_of_a_checkpoint_is_no_model(
    name: str, content: bytes, says: str | None, tmp_path: Path
) -> None:
    """By its name or by its end, and the answer names the prefix."""
    (tmp_path / name).write_bytes(content)
    found = instead_of_model(tmp_path / name)
    assert (says is None) == (found is None)
    assert says is None or says in (found or "")


def test_a_url_that_is_a_file_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder may have such a name; otherwise URLs are not read."""
    monkeypatch.chdir(tmp_path)
    model = Path("gs://bucket/model")
    assert "'gs://bucket/model' is a URL" in (instead_of_model(model) or "")
    model.parent.mkdir(parents=True)
    model.touch()
    assert instead_of_model(model) is None
