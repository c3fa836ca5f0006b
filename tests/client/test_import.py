"""`import tffreeze` is light, and its public names are there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tffreeze
from tffreeze.errors import TffreezeError

HEAVY = ("grpc", "google.protobuf", "rich", "click", "tensorflow", "tffreeze_server", "numpy")
DIGITS = Path(__file__).resolve().parent.parent / "fixtures" / "digits"
MAX_IMPORT_SECONDS = 0.3


def _python(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_import_loads_nothing_heavy() -> None:
    """Importing the package loads none of its dependencies."""
    code = f"import sys, tffreeze; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert _python(code).strip() == "[]"


def test_import_is_fast() -> None:
    """Importing the package and its client takes less than is promised, on a machine with nothing else to do."""
    code = (
        "import time; start = time.process_time()\n"
        "import tffreeze; tffreeze.Client\n"
        "print(time.process_time() - start)"
    )
    assert min(float(_python(code)) for _ in range(5)) < MAX_IMPORT_SECONDS


@pytest.mark.parametrize("name", tffreeze.__all__)
def test_a_public_name_is_there(name: str) -> None:
    """Each name that is promised can be had, and is listed."""
    assert getattr(tffreeze, name) is not None
    assert name in dir(tffreeze)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """Lazy names do not hide a slip of the pen."""
    with pytest.raises(AttributeError, match="freez"):
        _ = tffreeze.freez  # type: ignore[attr-defined]  # the point of the test


WITHOUT = """
import sys
class Blocker:
    def find_spec(self, name, path, target=None):
        if name == {missing!r}:
            raise ModuleNotFoundError("blocked", name=name)
sys.meta_path.insert(0, Blocker())
import tffreeze
try:
    tffreeze.freeze({model!r}, output="never")
except tffreeze.RequestError as error:
    print(error)
"""


@pytest.mark.parametrize("missing", ["tffreeze_server", "google_crc32c", "cramjam"])
def test_without_the_engine_the_error_says_how_to_install_it(missing: str) -> None:
    """What installs the engine's part that is missing is in the message."""
    printed = _python(WITHOUT.format(missing=missing, model=str(DIGITS)))
    assert "pip install tffreeze [ENGINE_NOT_INSTALLED]" in printed


def test_errors_are_one_tree() -> None:
    """A caller that wants to catch everything has one name for it."""
    kinds = [thing for name in tffreeze.__all__ if isinstance(thing := getattr(tffreeze, name), type)]
    errors = [kind for kind in kinds if issubclass(kind, Exception)]
    assert len(errors) == 9
    assert all(issubclass(kind, TffreezeError) for kind in errors)
