"""The whole way: a model and its checkpoint in, the plan of one frozen graph and its report out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tffreeze_common.report import Report
from tffreeze_server.errors import FreezeError, Reason, listed
from tffreeze_server.graph.load import load
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.plan.measure import OutputForm, make_plan
from tffreeze_server.plan.plan import Plan
from tffreeze_server.report.build import build_report
from tffreeze_server.rewrite.frozen_graph import FrozenGraph
from tffreeze_server.rewrite.rewrite import rewrite


@dataclass(frozen=True, slots=True)
class FreezeResult:
    """What is known of a frozen graph before its first byte is written.

    Attributes:
        plan: How to write it: `emit.py` does.
        report: What was frozen from what.
        graph: The frozen graph, weights still references.
        assets: The file of each asset that the graph still names, by its name below `assets/`. A frozen
            SavedModel needs them; whether they are there has not been looked.

    """

    plan: Plan
    report: Report
    graph: FrozenGraph
    assets: Mapping[str, Path]


def freeze(source: ModelSource, options: FreezeOptions) -> FreezeResult:
    """Freeze a model: read it, find the values of its variables, rewrite it, plan how to write it.

    No weight is read, but those that must be put together (slices, V1 checkpoints, text format).

    Args:
        source: Where the model is.
        options: What is wanted.

    Raises:
        FreezeError: With the reason; nothing was written.

    """
    model = load(source, options)
    rewritten = rewrite(model, source, options)
    if options.as_saved_model and rewritten.kept:
        raise FreezeError(
            Reason.INVALID_OPTION,
            f"A frozen SavedModel has no variables, but {listed(rewritten.kept)} shall stay variables. "
            "Make a GraphDef (without --saved-model), or freeze them too.",
            subject=rewritten.kept[0],
        )
    files = {**model.files, **(rewritten.checkpoint.files if rewritten.checkpoint else {})}
    form = OutputForm(options.as_saved_model, options.as_text, model.tags, model.meta_graph)
    graph = rewritten.finished.graph
    plan = make_plan(graph, files, form, weights_present=source.weights_present)
    assets = {name: model.assets_dir / name for name in graph.assets.values()}
    return FreezeResult(plan, build_report(model, rewritten, plan), graph, assets)
