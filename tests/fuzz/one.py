"""One target under Atheris: `python -m fuzz.one TARGET [libFuzzer's arguments]`."""

from __future__ import annotations

import sys
from random import Random

import atheris

with atheris.instrument_imports(include=["tffreeze_server", "tffreeze"], enable_loader_override=False):
    from fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until libFuzzer has had enough."""
    target = TARGETS[sys.argv.pop(1)]

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        def plain(some: bytes) -> bytes:
            return atheris.Mutate(some, max(len(some) * 2, 64))

        assert target.mutate is not None
        return target.mutate(data, Random(seed), plain)[:max_size]

    more = {"custom_mutator": mutate} if target.mutate else {}
    atheris.Setup(sys.argv, target.judge, **more)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
