"""The table of targets: what each runs, and how its inputs are changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fuzz import freezes, parsers
from fuzz.files import SEEDS
from fuzz.judge import judged
from fuzz.mutations import BUNDLES, V1_TABLES, Mutate, messages
from tffreeze_server.tfproto.graph_pb2 import GraphDef
from tffreeze_server.tfproto.op_def_pb2 import OpList
from tffreeze_server.tfproto.saved_model_pb2 import SavedModel, SaverDef


@dataclass(frozen=True, slots=True)
class Target:
    """What is fuzzed.

    Attributes:
        name: Of it, and of its folder of seeds.
        run: Given an input; raises for a finding.
        mutate: How inputs are changed; None for the fuzzer's own way with bytes.

    """

    name: str
    run: Callable[[bytes], None]
    mutate: Mutate | None = None

    def judge(self, data: bytes) -> None:
        """Run one input; raises where it does what no input may."""
        with judged():
            self.run(data)

    @property
    def seeds(self) -> list[Path]:
        """Its committed inputs: sound ones, and those that found something once."""
        return sorted((SEEDS / self.name).iterdir())


TARGETS = {
    target.name: target
    for target in (
        Target("wire", parsers.wire),
        Target("text", parsers.text),
        Target("table", parsers.sorted_table),
        Target("bundle_index", parsers.bundle_index, BUNDLES),
        Target("v1_table", parsers.v1_table, V1_TABLES),
        Target("ordered_code", parsers.ordered_code),
        Target("v1_value", parsers.v1_value),
        Target("strings", parsers.strings),
        Target("saver", parsers.saver, messages(SaverDef)),
        Target("op_list", parsers.op_list, messages(OpList)),
        Target("checkpoint_state", parsers.checkpoint_state),
        Target("client_stream", parsers.client_stream),
        Target("freeze_graph", freezes.graph, messages(GraphDef)),
        Target("freeze_saved_model", freezes.saved_model, messages(SavedModel)),
        Target("freeze_bundle", freezes.bundle, BUNDLES),
        Target("freeze_v1", freezes.v1, V1_TABLES),
    )
}
