"""The way from an output to a node, for messages."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from tffreeze_server.graph.node import Node, node_of

MAX_STEPS_SHOWN = 12


def path_to(nodes: Mapping[str, Node], roots: Iterable[str], target: str) -> tuple[str, ...]:
    """Node names from a root to `target`, each reading or waiting for the next; empty where there is no way."""
    came_from: dict[str, str | None] = dict.fromkeys(roots)
    queue = deque(came_from)
    while queue:
        name = queue.popleft()
        if name == target:
            return _steps(came_from, target)
        for producer in map(node_of, nodes[name].inputs if name in nodes else ()):
            if producer not in came_from:
                came_from[producer] = name
                queue.append(producer)
    return ()


def shown(path: Iterable[str]) -> str:
    """`'a' ← 'b' ← 'c'`, the middle of a long path left out."""
    names = [repr(name) for name in path]
    if len(names) > MAX_STEPS_SHOWN:
        half = MAX_STEPS_SHOWN // 2
        names = [*names[:half], f"… {len(names) - 2 * half} more …", *names[-half:]]
    return " ← ".join(names)


def _steps(came_from: Mapping[str, str | None], target: str) -> tuple[str, ...]:
    steps: list[str] = []
    name: str | None = target
    while name is not None:
        steps.append(name)
        name = came_from[name]
    return tuple(reversed(steps))
