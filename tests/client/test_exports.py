"""What a public signature names can be imported from `tffreeze`, so that callers can annotate their own code."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import importlib
import inspect
import pkgutil
import subprocess
import sys
import typing
from collections.abc import Iterator
from typing import Any

import pytest

import tffreeze

OTHERS = {*dir(builtins), *typing.__all__, *importlib.import_module("collections.abc").__all__, "Path", "Any"}
"""Names that belong to Python itself."""


def _members(public: Any) -> Iterator[Any]:
    """The functions of a public thing that a caller calls."""
    if inspect.isfunction(public):
        yield public
    elif inspect.isclass(public):
        for name, member in vars(public).items():
            inner = getattr(member, "__func__", member)
            if inspect.isfunction(inner) and (not name.startswith("_") or name == "__init__"):
                yield inner
            elif isinstance(member, property):
                yield member.fget


def _annotations(public: Any) -> Iterator[str]:
    for function in _members(public):
        yield from map(str, function.__annotations__.values())
    if inspect.isclass(public) and (dataclasses.is_dataclass(public) or hasattr(public, "__total__")):
        yield from (
            getattr(value, "__forward_arg__", str(value))
            for value in vars(public)["__annotations__"].values()
        )
    if inspect.isclass(public):
        yield from (base.__name__ for base in public.__bases__ if base.__module__.startswith("tffreeze"))
        yield from (getattr(base, "__name__", "") for base in getattr(public, "__orig_bases__", ()))


def _names(annotation: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(annotation, mode="eval")):
        if isinstance(node, ast.Name):
            yield node.id


INTERNAL = {"freeze_service_pb2", "report_pb2", "inspection_pb2"}
"""Of `from_message`, which the client itself calls."""


@pytest.mark.parametrize("name", [name for name in tffreeze.__all__ if not name.startswith("__")])
def test_what_a_signature_names_is_exported(name: str) -> None:
    """Every type in an argument, a result or a field, and every base, is a public name too."""
    public = getattr(tffreeze, name)
    named = {part for text in _annotations(public) if text for part in _names(text)}
    assert set() == named - set(tffreeze.__all__) - OTHERS - INTERNAL


def test_the_check_finds_what_is_missing() -> None:
    """A signature with a name that is not exported would be noticed."""

    def public(first: tffreeze.StrPath, second: Missing) -> None:  # type: ignore[name-defined]  # noqa: F821 - the point
        """Take them."""

    assert {"tffreeze", "Missing", "None"} >= {part for text in _annotations(public) for part in _names(text)}
    assert "Missing" in {part for text in _annotations(public) for part in _names(text)}


@pytest.mark.parametrize("module", [module.name for module in pkgutil.iter_modules(tffreeze.__path__)])
def test_no_public_name_is_in_two_modules(module: str) -> None:
    """A name of `tffreeze` is not the name of a module below it, which would take its place when it is imported."""
    assert module == "testing" or module not in tffreeze.__all__


@pytest.mark.parametrize(
    "program",
    [
        "import tffreeze; tffreeze.testing.serve",
        "from tffreeze import testing; testing.serve",
        "from tffreeze.testing import serve",
        "import tffreeze.testing; tffreeze.testing.serve",
        "from tffreeze import FreezeArguments, Stop, Report, VariableReport",
        "from tffreeze import *; testing.serve; Stop",
    ],
)
def test_names_are_there_as_the_documents_import_them(program: str) -> None:
    """In a fresh interpreter, where nothing else has imported a part before."""
    subprocess.run([sys.executable, "-c", program], check=True)
