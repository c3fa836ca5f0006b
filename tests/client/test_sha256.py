"""The sha256 of a result, where it is asked for: that of the bytes that were written."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tffreeze
from rpc.harness import served
from rpc.models import FIXTURES

DIGITS = FIXTURES / "digits"
HOW: dict[str, dict[str, Any]] = {
    "embedded": {},
    "content": {"delivery": "content"},
    "splice": {"delivery": "splice"},
    "model root": {"model_root": "samples"},
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tffreeze.Client]:
    """A client of a server with the sample models as a model root."""
    with (
        served(tmp_path_factory.mktemp("server"), model_roots={"samples": FIXTURES}) as server,
        tffreeze.Client(f"localhost:{server.port}", timeout_seconds=60) as made,
    ):
        yield made


@pytest.mark.parametrize("how", HOW)
def test_it_is_that_of_the_file(how: str, client: tffreeze.Client, tmp_path: Path) -> None:
    """Files, streams, memory and messages of SavedModels: each has its own; unasked there is none."""
    freezer: Any = tffreeze if how == "embedded" else client
    model = "digits" if how == "model root" else DIGITS
    result = freezer.freeze(model, output=tmp_path / "f", sha256=True, **HOW[how])
    assert _sha256((tmp_path / "f").read_bytes()) == result.sha256
    stream = io.BytesIO()
    assert result.sha256 == freezer.freeze(model, output=stream, sha256=True, **HOW[how]).sha256
    assert result.sha256 == freezer.freeze_bytes(model, sha256=True, **HOW[how]).sha256
    folder = freezer.freeze(model, output=tmp_path / "sm", as_saved_model=True, sha256=True, **HOW[how])
    assert _sha256((tmp_path / "sm" / "saved_model.pb").read_bytes()) == folder.sha256
    assert freezer.freeze(model, output=tmp_path / "f", **HOW[how]).sha256 is None
    assert freezer.freeze_bytes(model, **HOW[how]).sha256 is None


def test_assets_do_not_count(client: tffreeze.Client, models_dir: Path, tmp_path: Path) -> None:
    """A SavedModel with assets has the sha256 of its message, whoever made it."""
    model = next(path.parent.parent for path in sorted(models_dir.rglob("assets/*")) if _has_assets(path))
    ours = tffreeze.freeze(model, output=tmp_path / "ours", as_saved_model=True, sha256=True)
    for how in ("content", "splice"):
        output = tmp_path / how
        theirs = client.freeze(model, output=output, as_saved_model=True, sha256=True, delivery=how)  # type: ignore[arg-type]  # one of the two
        assert ours.sha256 == theirs.sha256 == _sha256((output / "saved_model.pb").read_bytes())
        assert list((output / "assets").iterdir())


def _has_assets(path: Path) -> bool:
    try:
        return bool(tffreeze.freeze_bytes(path.parent.parent).report.initializers)
    except tffreeze.TffreezeError:
        return False


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
