#!/usr/bin/env python3
"""Generate the Python stubs from `proto/`.

Without arguments they are written; with `--check` what is not fresh is named, and the command that mends it.

One version of protoc makes them, wherever this runs: its output imports on every protobuf from 3.20.2 and
every grpcio from 1.59, which that of later versions does not. Where it is not installed, it is
installed into `.venv-stubs/`, which may be deleted at any time.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TOOLS_VERSION = "1.62.3"
# The oldest and newest Python that version has wheels for.
TOOLS_PYTHONS = ((3, 7), (3, 12))
REPO = Path(__file__).resolve().parent.parent
PROTO = REPO / "proto"
VENV = REPO / ".venv-stubs"
# Package path is Python package: only the folder that holds the package differs.
ROOTS = {"tffreeze": REPO / "client", "tffreeze_server": REPO / "service"}
STUB = re.compile(r"_pb2(_grpc)?\.pyi?$")


def main() -> int:
    """Generate or check; 1 if `--check` found a difference, 2 if the generator cannot be had."""
    parser = argparse.ArgumentParser(description="Generate the Python stubs from proto/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a stub is not fresh")
    args = parser.parse_args()
    if not _has_tools():
        try:
            python = _venv_python()
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"grpcio-tools {TOOLS_VERSION} cannot be installed: {error}", file=sys.stderr)
            return 2
        return subprocess.call([python, __file__, *sys.argv[1:]])
    with tempfile.TemporaryDirectory() as temporary:
        fresh = _generate(Path(temporary))
    return _check(fresh) if args.check else _write(fresh)


def _generate(folder: Path) -> dict[Path, bytes]:
    """Map where each stub belongs to what it should hold."""
    import grpc_tools  # There in the venv only.

    protos = sorted(PROTO.rglob("*.proto"))
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    out = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"-I{well_known}", *out]
    subprocess.run([*command, *map(str, protos)], check=True)
    # protoc writes a module of services for each file, also where there are none.
    empty = {
        proto.relative_to(PROTO).with_name(f"{proto.stem}_pb2_grpc.py")
        for proto in protos
        if not re.search(r"^service\s", proto.read_text(encoding="utf-8"), re.MULTILINE)
    }
    stubs = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {ROOTS[stub.parts[0]] / stub: data for stub, data in stubs.items() if stub not in empty}


def _committed() -> set[Path]:
    packages = (root / package for package, root in ROOTS.items())
    return {path for package in packages for path in package.rglob("*") if STUB.search(path.name)}


def _write(fresh: dict[Path, bytes]) -> int:
    for stale in _committed() - fresh.keys():
        stale.unlink()
    for path, data in fresh.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    print(f"{len(fresh)} stubs written.")
    return 0


def _check(fresh: dict[Path, bytes]) -> int:
    wrong = [path for path, data in fresh.items() if not path.is_file() or path.read_bytes() != data]
    wrong += _committed() - fresh.keys()
    for path in sorted(wrong):
        print(f"{path.relative_to(REPO)} is not what proto/ says.")
    if wrong:
        print("Mend it with: python scripts/generate_stubs.py")
    return 1 if wrong else 0


def _has_tools() -> bool:
    try:
        return importlib.metadata.version("grpcio-tools") == TOOLS_VERSION
    except importlib.metadata.PackageNotFoundError:
        return False


def _venv_python() -> str:
    """Find the Python that has the tools; make it on first use."""
    python = str(VENV / ("Scripts" if os.name == "nt" else "bin") / "python")
    ready = VENV / f"grpcio-tools-{TOOLS_VERSION}"
    if not ready.is_file():
        subprocess.run([_old_enough_python(), "-m", "venv", "--clear", str(VENV)], check=True)
        # The tools import pkg_resources, which setuptools 81 removed.
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, f"grpcio-tools=={TOOLS_VERSION}", "setuptools<81"], check=True)
        ready.touch()
    return python


def _old_enough_python() -> str:
    lowest, highest = TOOLS_PYTHONS
    if lowest <= sys.version_info[:2] <= highest:
        return sys.executable
    for minor in (12, 11):
        python = shutil.which(f"python3.{minor}")
        # A shim may be there for a Python that is not.
        if python and subprocess.run([python, "-V"], capture_output=True, check=False).returncode == 0:
            return python
    raise FileNotFoundError("it needs Python 3.12 or older, and there is none on the PATH")


if __name__ == "__main__":
    sys.exit(main())
