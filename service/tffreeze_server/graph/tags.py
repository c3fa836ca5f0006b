"""Which MetaGraph of a SavedModel to take."""

from __future__ import annotations

from collections.abc import Sequence

from tffreeze_server.errors import FreezeError, Reason

SERVE = frozenset(("serve",))


def choose(tags: frozenset[str] | None, existing: Sequence[frozenset[str]], name: str) -> int:
    """The index of the MetaGraph to take.

    Args:
        tags: What was asked for, compared as a set; None: `serve`, or the only one there is.
        existing: The tags of each MetaGraph, at least one.
        name: The model's name, for messages.

    Raises:
        FreezeError: TAGS_NOT_FOUND, with the tags there are.

    """
    if tags is None and len(existing) == 1:
        return 0
    wanted = SERVE if tags is None else tags
    if wanted in existing:
        return existing.index(wanted)
    raise FreezeError(
        Reason.TAGS_NOT_FOUND,
        f"The model {name!r} has no MetaGraph with the tags {shown(wanted)}. "
        f"It has {', '.join(sorted({shown(found) for found in existing}))}: give one of these as tags.",
        subject=",".join(sorted(wanted)),
    )


def shown(tags: frozenset[str]) -> str:
    """`{serve, gpu}` in order."""
    return f"{{{', '.join(sorted(tags))}}}"
