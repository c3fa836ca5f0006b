"""Hold what this checkout freezes against the digests in tests/golden_bytes.json, or write them anew.

The same model and options give the same bytes, on every machine and in every version with the same semantics version
(`tffreeze_server.semantics`). `--write` refuses digests that changed while the semantics version did not: builds may
cache a frozen graph by its model, its options and that version.

    python scripts/golden_bytes.py            # what differs; exit code 1 if anything does
    python scripts/golden_bytes.py --write    # accept, after SEMANTICS_VERSION was raised
    python scripts/golden_bytes.py --print    # the digests of any checkout that PYTHONPATH names, to compare two
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tffreeze

REPOSITORY = Path(__file__).resolve().parents[1]
GOLDEN = REPOSITORY / "tests" / "golden_bytes.json"
FIXTURES = REPOSITORY / "tests" / "fixtures"
MODELS = Path(os.environ.get("TFFREEZE_MODELS", REPOSITORY.parent / "shared" / "models"))

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "rename_io": {"rename_io": True},
    "clear_devices": {"clear_devices": True},
    "text": {"as_text": True},
    "saved_model": {"as_saved_model": True, "rename_io": True},
}
"""The option sets that each sample is frozen with."""


def samples(models: Path) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """Give the name, model and arguments of each sample: our own fixtures, and the real models where they are."""
    yield "digits", FIXTURES / "digits", {}
    yield (
        "graph_v1",
        FIXTURES / "graph_v1" / "graph.pbtxt",
        {"checkpoint": FIXTURES / "graph_v1" / "model", "output_nodes": "y"},
    )
    moving_average = FIXTURES / "moving_average"
    yield (
        "moving_average",
        moving_average / "model.meta",
        {"checkpoint": moving_average / "model", "output_nodes": "y"},
    )
    if not (models / "manifest.json").is_file():
        return
    for entry in json.loads((models / "manifest.json").read_text(encoding="utf-8")):
        for run in entry["tensorflow_2_21"]:
            if run["kind"] != "saved_model":
                arguments = {"checkpoint": models / run["checkpoint"], "output_nodes": run["outputs"]}
                yield f"{entry['model']}/{Path(run['graph']).name}", models / run["graph"], arguments
    for golden in sorted((models / "golden").glob("*.npz")):
        parts = golden.stem.split("__")
        if len(parts) == 3:
            model, tags, signature = parts
            chosen = {"tags": [tag for tag in tags.split(",") if tag], "signature_keys": signature}
            yield golden.stem, models / model, chosen


def digests(models: Path) -> dict[str, dict[str, str]]:
    """For each sample and option set the sha256 of the frozen graph, or the reason of its error."""
    with tempfile.TemporaryDirectory() as folder:
        return {
            name: {
                options: _digest(model, Path(folder) / f"{number}-{options}", arguments | OPTIONS[options])
                for options in OPTIONS
            }
            for number, (name, model, arguments) in enumerate(samples(models))
        }


def _digest(model: Path, output: Path, arguments: dict[str, Any]) -> str:
    try:
        result = tffreeze.freeze(model, output=output, **arguments)
    except tffreeze.TffreezeError as error:
        return error.reason
    file = (
        output / f"saved_model.pb{'txt' if arguments.get('as_text') else ''}" if output.is_dir() else output
    )
    assert result.report.size_bytes == file.stat().st_size
    return hashlib.sha256(file.read_bytes()).hexdigest()


def difference(expected: dict[str, dict[str, str]], actual: dict[str, dict[str, str]]) -> list[str]:
    """The samples and option sets whose bytes are not the expected ones; samples that are not here are left out."""
    return [
        f"{name} {options}: {expected.get(name, {}).get(options, 'new')[:16]} -> {digest[:16]}"
        for name, found in actual.items()
        for options, digest in found.items()
        if expected.get(name, {}).get(options) != digest
    ]


def main() -> int:
    """Compare, write or print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the digests of this checkout")
    parser.add_argument("--print", action="store_true", help="print them, without comparing")
    parser.add_argument("--models", type=Path, default=MODELS, help="the folder of real models")
    given = parser.parse_args()
    actual = digests(given.models)
    if given.print:
        json.dump(actual, sys.stdout, indent=1)
        return 0
    from tffreeze_server.semantics import SEMANTICS_VERSION

    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    changed = difference(golden["digests"], actual)
    print(*changed, sep="\n")
    if given.write:
        known = [line for line in changed if ": new " not in line]
        if known and golden["semantics_version"] == SEMANTICS_VERSION:
            print("Raise SEMANTICS_VERSION first: these bytes were promised to stay.", file=sys.stderr)
            return 1
        written = {"semantics_version": SEMANTICS_VERSION, "digests": golden["digests"] | actual}
        GOLDEN.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
        return 0
    print(f"{sum(map(len, actual.values()))} compared, {len(changed)} differ")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
