"""What every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The folder of real models by others; it lies beside the checkout and is never part of it."""
    folder = Path(os.environ.get("TFFREEZE_MODELS", REPOSITORY.parent / "shared" / "models"))
    if not (folder / "manifest.json").is_file():
        pytest.skip(f"no real models at {folder}: set TFFREEZE_MODELS to the folder that holds manifest.json")
    return folder
