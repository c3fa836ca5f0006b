"""`make soak`: some minutes of mixed calls with faults, and what the server holds before and after."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from soak.soak import Soaked, soak


def main() -> int:
    """Soak a server."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=360)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(f"== {arguments.seconds:g} s, seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="tffreeze-soak-") as folder:
        soaked = soak(Path(folder), arguments.seconds, arguments.seed)
    tell(soaked)
    faults = soaked.faults()
    print("\n".join(faults) or "All is as it was.")
    return bool(faults)


def tell(soaked: Soaked) -> None:
    """Print what was done and what is held."""
    for (kind, end), count in sorted(soaked.ends.items()):
        print(f"{count:7} {kind}: {end}")
    print(f"{soaked.ends.total():7} calls\nbefore: {soaked.before}\nafter:  {soaked.after}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
