"""The stages of a freeze, in order: a model and its checkpoint in, the plan of one frozen graph and its report out.

load ─▶ choose outputs ─▶ flatten ─▶ open checkpoint ─▶ resolve ─▶ rewrite ─▶ plan; `emit` then writes the plan.

Each stage is a function of values of earlier stages. Only `load` and `open_for` read files; later the plan's
weights that must be put together are read, and the rest when the plan is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tffreeze_common.report import Report
from tffreeze_server.checkpoint.checkpoint import Checkpoint
from tffreeze_server.checkpoint.open import open_for
from tffreeze_server.errors import FreezeError, Reason, listed
from tffreeze_server.flatten.choose_outputs import choose_outputs
from tffreeze_server.flatten.flatten import flatten
from tffreeze_server.graph.functions import functions_of
from tffreeze_server.graph.load import load
from tffreeze_server.graph.model import Model
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.plan.measure import OutputForm, make_plan
from tffreeze_server.plan.plan import Plan
from tffreeze_server.report.build import build_report
from tffreeze_server.resolve.resolve import Sources, resolve
from tffreeze_server.rewrite.frozen_graph import FrozenGraph
from tffreeze_server.rewrite.rewrite import FrozenModel, rewrite


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
    functions = functions_of(model)
    outputs = choose_outputs(model, options)
    flat = flatten(model, outputs, options, functions)
    checkpoint = open_for(model, source, needed=flat.needs_checkpoint)
    values = resolve(Sources(model, checkpoint, options, functions), flat)
    frozen = rewrite(model, flat, values, options, functions)
    del flat, functions  # Of a large graph they take as much memory as the plan.
    _check_form(options, frozen)
    plan = _plan(model, checkpoint, frozen.final.graph, source, options)
    report = build_report(model, checkpoint, frozen, plan)
    graph = frozen.final.graph
    assets = {name: model.assets_dir / name for name in graph.assets.values()}
    return FreezeResult(plan, report, graph, assets)


def _check_form(options: FreezeOptions, frozen: FrozenModel) -> None:
    if options.as_saved_model and frozen.kept:
        raise FreezeError(
            Reason.INVALID_OPTION,
            f"A frozen SavedModel has no variables, but {listed(frozen.kept)} shall stay variables. "
            "Make a GraphDef (without --saved-model), or freeze them too.",
            subject=frozen.kept[0],
        )


def _plan(
    model: Model,
    checkpoint: Checkpoint | None,
    graph: FrozenGraph,
    source: ModelSource,
    options: FreezeOptions,
) -> Plan:
    files = {**model.files, **(checkpoint.files if checkpoint else {})}
    form = OutputForm(options.as_saved_model, options.as_text, model.tags, model.meta_graph)
    return make_plan(graph, files, form, weights_present=source.weights_present)
