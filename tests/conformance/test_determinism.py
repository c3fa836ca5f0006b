"""The same model and options give the same bytes, wherever and however often they are frozen."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DIGITS = Path(__file__).resolve().parent.parent / "fixtures" / "digits"
FREEZE = """
import sys
from pathlib import Path
from tffreeze_server.emit.emit import write_file
from tffreeze_server.freeze import freeze
from tffreeze_server.options import FreezeOptions, ModelSource
model, output, as_text, keys = sys.argv[1:]
options = FreezeOptions(as_text=as_text == "text", signature_keys=tuple(keys.split(",")))
write_file(freeze(ModelSource(Path(model)), options).plan, Path(output))
"""


def digest(
    model: Path, folder: Path, text: str = "binary", keys: str = "serving_default", **environment: str
) -> str:
    """sha256 of what a new process makes of `model`, working in `folder`."""
    output = folder / "frozen.pb"
    subprocess.run(
        [sys.executable, "-c", FREEZE, str(model), str(output), text, keys],
        cwd=folder,
        env=os.environ | environment,
        check=True,
        timeout=120,
    )
    return hashlib.sha256(output.read_bytes()).hexdigest()


@pytest.mark.parametrize("text", ["binary", "text"])
def test_same_in_every_process(text: str, tmp_path: Path) -> None:
    """Hash seed, working directory, the model's place and the implementation of protobuf leave no trace."""
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(DIGITS, elsewhere / "digits")
    digests = {
        digest(DIGITS, tmp_path, text, PYTHONHASHSEED="0"),
        digest(DIGITS, tmp_path, text, PYTHONHASHSEED="4242"),
        digest(elsewhere / "digits", elsewhere, text, PYTHONHASHSEED="7"),
        digest(Path("digits"), elsewhere, text, LC_ALL="C", TZ="Asia/Tokyo"),
        digest(DIGITS, tmp_path, text, PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION="python"),
    }
    assert 1 == len(digests)


@pytest.mark.parametrize(
    ("model", "key"), [("detext_bert_hub", "serving_default"), ("tfx_trainer_serving", "predict")]
)
def test_real_model_is_the_same_for_every_hash_seed(
    model: str, key: str, models_dir: Path, tmp_path: Path
) -> None:
    """Many functions, tables and assets in their order, whatever the hash seed."""
    digests = {
        digest(models_dir / model, tmp_path, keys=key, PYTHONHASHSEED=seed) for seed in ("1", "2", "3")
    }
    assert 1 == len(digests)
