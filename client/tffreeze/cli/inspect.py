"""`tffreeze inspect`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from tffreeze import embedded
from tffreeze.cli import stdout
from tffreeze.cli.flags import arguments, model_flags
from tffreeze.cli.sections import OUTPUT, SectionedCommand, option
from tffreeze.cli.server_flags import ServerFlags, client, model_root_flag, server_flags
from tffreeze.cli.show import MAX_LINES, Write, count, say, size, table, type_and_shape
from tffreeze.cli.write import write_json
from tffreeze_common.inspection import Inspection, NeedInspection, TensorInspection, VariableInspection
from tffreeze_files.layout import checkpoint_beside


@click.command(
    "inspect", cls=SectionedCommand, short_help="Show what a model contains and what a freeze would do."
)
@model_flags
@server_flags
@model_root_flag
@option(OUTPUT, "--json", "as_json", is_flag=True, help="Write everything as JSON.")
def command(as_json: bool, model: str, model_root: str | None, **flags: Any) -> None:  # noqa: ANN401 - as click calls it
    """Show what MODEL contains, what a freeze would do and what would make it fail.

    It reads no weights. Lists are shortened; --json has all of them.

    \b
    Examples:
      tffreeze inspect saved_model/
      tffreeze inspect graph.pbtxt --checkpoint model.ckpt-100
      tffreeze inspect saved_model/ --json | jq '.signatures[].key'
    """  # noqa: D301 - click looks for the character that \b stands for
    stdout.binary()  # a closed stdout is an error before any work
    server = ServerFlags.take(flags)
    if model_root is not None and not server.server:
        raise click.UsageError("--model-root needs a server: name it with --server.")
    if server.server:
        with client(server) as remote:
            inspection = remote.inspect(model, model_root=model_root, **arguments(flags))
    else:
        inspection = embedded.inspect(model, **arguments(flags))
    if as_json:
        write_json(inspection.to_json(), stdout.NAME)
    else:
        write = partial(say, stream=sys.stdout)
        beside = (
            checkpoint_beside(Path(model)) if inspection.kind == "meta_graph" and not model_root else None
        )
        _show(inspection, write)
        if beside is not None and not flags.get("checkpoint"):
            write(f"The checkpoint {beside.name!r} was found beside {Path(model).name!r} and used.")


def _show(inspection: Inspection, write: Write) -> None:
    nodes, functions = count(inspection.nodes, "node"), count(inspection.functions, "function")
    write(f"{inspection.kind}: {nodes}, {functions}")
    if inspection.kind != "graph_def":
        write(f"tags: {' or '.join(','.join(tags) or '(none)' for tags in inspection.all_tags)}")
        if len(inspection.all_tags) > 1:
            write(f"taken: {','.join(inspection.tags) or '(none)'}")
    for signature in inspection.signatures:
        write(f"signature {signature.key!r} ({signature.method_name or 'no method'}):")
        _tensors(write, "inputs", signature.inputs)
        _tensors(write, "outputs", signature.outputs)
    if not inspection.signatures:
        _tensors(write, "inputs", inspection.inputs)
        _tensors(write, "candidate outputs, the likeliest first", inspection.candidate_outputs)
    for saver in inspection.savers:
        write(f"saver: {saver.restore_op} reads {saver.filename_tensor or '(unknown)'}, from {saver.origin}")
    _variables(inspection, write)
    if inspection.init_ops:
        write(f"a loader runs: {', '.join(inspection.init_ops)}")
    if inspection.assets:
        write("assets:")
        table(write, [(asset.file, asset.tensor) for asset in inspection.assets])
    for obstacle in inspection.obstacles:
        write(f"{obstacle.message} [{obstacle.reason}]", label="obstacle:", colour="red")


def _tensors(write: Write, title: str, tensors: Sequence[TensorInspection]) -> None:
    write(f"  {title}:" if tensors else f"  {title}: none")
    table(
        partial(_deeper, write),
        [(t.key, t.tensor, type_and_shape(t.dtype, t.shape), t.op) for t in tensors],
    )


def _deeper(write: Write, line: str) -> None:
    write(f"  {line}")


def _variables(inspection: Inspection, write: Write) -> None:
    variables = inspection.variables
    if inspection.needs:
        write("variables:")
        for need in inspection.needs:
            _need(need, write)
        needed = {name for need in inspection.needs for name in need.variables}
        unneeded = sum(variable.name not in needed for variable in variables)
        variables = tuple(variable for variable in variables if variable.name in needed)
    else:
        found = sum(variable.status == "FOUND" for variable in variables)
        total = sum(variable.size_bytes for variable in variables)
        has_checkpoint = all(variable.status != "NO_CHECKPOINT" for variable in variables)
        where = f"{found:,} found in the checkpoint" if has_checkpoint else "no checkpoint given"
        write(f"variables: {len(variables):,} ({where}), {size(total)}")
    _listed(variables, write)
    if inspection.needs and unneeded:
        write(f"  not needed: {count(unneeded, 'more variable')}")
    if inspection.extra_keys:
        write(f"checkpoint keys that no variable needs: {len(inspection.extra_keys):,}")
        table(write, [(key,) for key in inspection.extra_keys])


def _need(need: NeedInspection, write: Write) -> None:
    """Such as `serving_default: 320 variables, 102.5 MB, all found`."""
    total = len(need.variables)
    name = need.signature_key or "the given outputs"
    if not total:
        write(f"  {name}: none")
        return
    found = "all found" if need.found == total else f"{need.found:,} of them found"
    write(f"  {name}: {count(total, 'variable')}, {size(need.size_bytes)}, {found}")


def _listed(variables: Sequence[VariableInspection], write: Write) -> None:
    found = [variable for variable in variables if variable.status == "FOUND"]
    table(write, [(v.name, type_and_shape(v.dtype, v.shape), _origin(v.key, v.source)) for v in found])
    wrong = [v for v in variables if v.status in ("MISSING", "MISMATCH")]
    for variable in wrong[:MAX_LINES]:
        status = f"  {variable.status.lower()}:"
        write(f"{variable.name}: {variable.message}", label=status, colour="yellow")
    if len(wrong) > MAX_LINES:
        write(f"  … and {len(wrong) - MAX_LINES} more that are missing or do not fit")


def _origin(key: str, source: str) -> str:
    return f"{key} (by {source})" if key else f"(by {source})"
