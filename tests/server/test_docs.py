"""docs/server.md has what the server has."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from tffreeze_server.server import exit_codes
from tffreeze_server.server.flags import FLAGS
from tffreeze_server.server.main import parser
from tffreeze_server.server.metrics import Metrics

DOC = (Path(__file__).resolve().parents[2] / "docs" / "server.md").read_text(encoding="utf-8")


def names(registry: CollectorRegistry) -> set[tuple[str, str]]:
    """The metrics of a registry, as their samples are called, with their types."""
    return {
        (metric.name + ("_total" if metric.type == "counter" else ""), metric.type)
        for metric in registry.collect()
    }


def test_each_metric_is_documented_and_no_other() -> None:
    """By its name and type."""
    made = {name for name in names(Metrics().registry) if name[0].startswith("tffreeze_")}
    documented = re.findall(r"^\| `(tffreeze_\w+)` \| (\w+) \|", DOC, flags=re.MULTILINE)
    assert sorted(made) == sorted(documented)


def test_the_help_has_each_flag_and_exit_code() -> None:
    """Variables and keys of the file follow from a flag's name."""
    shown = " ".join(parser().format_help().split())
    for flag in FLAGS:
        assert f"--{flag.name}" in shown
        assert flag.help[:40] in shown
    for code, meaning in exit_codes.MEANINGS.items():
        assert f"{code} {meaning}" in shown
