"""From a model and its checkpoint to the frozen graph: the stages in order, each a function of the last.

wanted ─▶ flat graph ─▶ with tables ─▶ variables, their values ─▶ converted ─▶ cleaned ─▶ named
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tffreeze_server.checkpoint.checkpoint import Checkpoint
from tffreeze_server.checkpoint.open import open_checkpoint
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.attrs import data_type, tensor_attr
from tffreeze_server.graph.body import Outputs
from tffreeze_server.graph.inline import Inliner, has_frames
from tffreeze_server.graph.model import Model, Signature, TensorInfo
from tffreeze_server.graph.node import Node, node_of, split_tensor, with_attrs
from tffreeze_server.graph.op_args import output_types
from tffreeze_server.graph.order import pruned
from tffreeze_server.graph.variables import Binding
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.resolve.resolve import Sources, resolve
from tffreeze_server.resolve.tables import restored_tables
from tffreeze_server.rewrite import clean
from tffreeze_server.rewrite.choose_variables import Chosen, choose_variables, keeps
from tffreeze_server.rewrite.convert import Converter, Place
from tffreeze_server.rewrite.fill_tables import fill_tables
from tffreeze_server.rewrite.flat_graph import FlatGraph, flat_graph
from tffreeze_server.rewrite.frozen_graph import FrozenFunction, FrozenGraph
from tffreeze_server.rewrite.outputs import Endpoint, Wanted, wanted
from tffreeze_server.rewrite.rename_io import PLACEHOLDERS, rename_io
from tffreeze_server.rewrite.specialise import FunctionMaker
from tffreeze_server.rewrite.tables import Initializer, Tables, with_tables
from tffreeze_server.tensors.dtypes import STRING, base
from tffreeze_server.tfproto.tensor_pb2 import TensorProto


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A frozen graph and what is known of how it came to be.

    Attributes:
        graph: The frozen graph.
        inputs: Ends of the frozen graph, in the order of `original_inputs`.
        outputs: Ends of the frozen graph, in the order of `original_outputs`.
        original_inputs: The same as the model names them.
        original_outputs: The same as the model names them.
        renamed: New names of nodes that got another one (`rename_io`).
        bindings: The frozen variables and where their values came from.
        kept: The variables that were left as they are.
        initializers: Ops to run once before the outputs.
        empty_tables: Tables that nothing fills.
        unused: Nodes of inlined bodies that no output needs.
        top: How many nodes of the model's own graph were reached.
        checkpoint: That the values came from; None where none was needed.

    """

    graph: FrozenGraph
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    original_inputs: tuple[Endpoint, ...]
    original_outputs: tuple[Endpoint, ...]
    renamed: Mapping[str, str]
    bindings: tuple[Binding, ...]
    kept: tuple[str, ...]
    initializers: tuple[Initializer, ...]
    empty_tables: tuple[str, ...]
    unused: tuple[Node, ...]
    top: int
    checkpoint: Checkpoint | None


@dataclass(frozen=True, slots=True)
class Shared:
    """What several freezes of one model have in common.

    Attributes:
        inliner: Knows the model's functions, and those it has made flat.
        sources: Where the values of variables come from, for one checkpoint; None where it is yet to be opened.

    """

    inliner: Inliner
    sources: Sources | None = None


def rewrite(
    model: Model, source: ModelSource, options: FreezeOptions, shared: Shared | None = None
) -> Rewritten:
    """Freeze a loaded model.

    Args:
        model: As it was loaded.
        source: Where its checkpoint is.
        options: What is wanted.
        shared: From other freezes of this model, which differ in what is wanted of it only.

    Raises:
        FreezeError: Most reasons there are.

    """
    asked = wanted(model, options)
    shared = shared or Shared(Inliner(Outputs(model.library, model.op_defs)))
    inliner = shared.inliner
    nodes = {node.name: node for node in model.nodes}
    flat = flat_graph(nodes, asked, options.input_nodes, inliner, keeps(options))
    tables = with_tables(model, flat.nodes, inliner)
    chosen = choose_variables(model, tables.nodes, options)
    known = shared.sources
    checkpoint = known.checkpoint if known else _checkpoint(model, source, chosen, tables)
    if tables.empty and checkpoint is not None:
        tables = fill_tables(tables, restored_tables(model, nodes), checkpoint)
    bindings = resolve(model, checkpoint, options, chosen.frozen, known)
    maker = FunctionMaker({(b.variable.container, b.variable.name): b for b in bindings}, inliner)
    roots = _roots(flat, tables)
    converted = Converter(maker.bindings, inliner.outputs, maker).convert(
        tables.nodes.values(), Place(tables.nodes, roots, has_frames=has_frames(tables.nodes)), {}
    )
    done = pruned(clean.without_static_waits(converted.nodes.values()), roots)
    graph, ends = _finished(model, options, done, maker, _Ends(asked, flat, tables, inliner.outputs))
    return Rewritten(
        graph,
        ends.inputs,
        ends.outputs,
        ends.original_inputs,
        ends.original_outputs,
        ends.renamed,
        bindings,
        tuple(v.name for v in chosen.kept),
        tuple(_renamed(i, ends.renamed) for i in tables.initializers),
        tuple(ends.renamed.get(name, name) for name in tables.empty),
        flat.unused,
        flat.top,
        checkpoint,
    )


def _renamed(initializer: Initializer, renamed: Mapping[str, str]) -> Initializer:
    """An initializer by the names that its nodes have in the frozen graph."""
    op, table, file = (
        renamed.get(name, name) for name in (initializer.op, initializer.table, initializer.file)
    )
    return Initializer(op, table, file)


@dataclass(frozen=True, slots=True)
class _Ends:
    """What is known of inputs and outputs once the graph is flat."""

    asked: Wanted
    flat: FlatGraph
    tables: Tables
    outputs: Outputs

    def original_outputs(self, nodes: Mapping[str, Node]) -> tuple[Endpoint, ...]:
        """Outputs as the model names them; those asked for by name with all they give in the converted graph."""
        named = []
        for name in self.asked.named:
            node = self.flat.nodes[node_of(self.flat.tensors[name])]
            types = self._types(nodes.get(node.name, node)) or self._types(node)
            if name == node.name and len(types) > 1:
                named += [
                    Endpoint("", f"{name}:{k}" if k else name, f"{name}:{k}" if k else name, t, None)
                    for k, t in enumerate(types)
                ]
            else:
                index = split_tensor(self.flat.tensors[name])[1]
                named.append(Endpoint("", name, name, types[index] if index < len(types) else 0, None))
        return (*self.asked.outputs, *named)

    def original_inputs(self) -> tuple[Endpoint, ...]:
        """Inputs as the model names them: of the signatures and where it was cut, or else all Placeholders."""
        origin = {new: old for old, new in self.flat.tensors.items()}
        placeholders = [n for n in self.flat.nodes.values() if n.op in PLACEHOLDERS]
        if self.asked.signatures:
            cuts = {self.flat.tensors[t] for t in self.flat.cuts} - {e.tensor for e in self.asked.inputs}
            placeholders = [n for n in placeholders if n.name in cuts]
        found = tuple(
            Endpoint("", n.name, origin.get(n.name, n.name), self._types(n)[0], _placeholder_shape(n))
            for n in placeholders
        )
        return (*self.asked.inputs, *found)

    def moved(self, endpoint: Endpoint) -> Endpoint:
        """An end of the model as an end of the flat graph."""
        return replace(endpoint, tensor=self.flat.tensors.get(endpoint.tensor, endpoint.tensor))

    def typed(self, endpoint: Endpoint, nodes: Mapping[str, Node]) -> Endpoint:
        """An output with its dtype, where its signature, like those of 2016, tells none."""
        name, index = split_tensor(endpoint.tensor)
        types = () if endpoint.dtype or name not in nodes else self._types(nodes[name])
        return replace(endpoint, dtype=types[index]) if index < len(types) else endpoint

    def _types(self, node: Node) -> tuple[int, ...]:
        definition = self.outputs.definition(node.op)
        types = output_types(definition, node.proto.attr, node=node.name) if definition else ()
        return tuple(base(t) for t in types)


@dataclass(frozen=True, slots=True)
class _FinishedEnds:
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    original_inputs: tuple[Endpoint, ...]
    original_outputs: tuple[Endpoint, ...]
    renamed: Mapping[str, str]


def _finished(
    model: Model, options: FreezeOptions, nodes: Mapping[str, Node], maker: FunctionMaker, ends: _Ends
) -> tuple[FrozenGraph, _FinishedEnds]:
    """Name, place and pack what was converted."""
    originals = ends.original_inputs(), ends.original_outputs(nodes)
    inputs = tuple(ends.moved(e) for e in originals[0])
    outputs = tuple(ends.typed(ends.moved(e), nodes) for e in originals[1])
    nodes, assets = _with_assets(model, nodes)
    renamed: Mapping[str, str] = {}
    if options.rename_io:
        named = rename_io(nodes, inputs, outputs)
        nodes, renamed = named.nodes, named.moved
        inputs = tuple(replace(e, tensor=named.tensors[e.signature_key, e.key, False]) for e in inputs)
        outputs = tuple(replace(e, tensor=named.tensors[e.signature_key, e.key, True]) for e in outputs)
    nodes = clean.without_dangling_colocation(nodes)
    functions = maker.frozen_functions()
    if options.clear_devices:
        nodes = clean.without_devices(nodes)
        functions = tuple(
            FrozenFunction(clean.function_without_devices(f.proto), f.values) for f in functions
        )
    graph = FrozenGraph(
        tuple(nodes.values()),
        functions,
        model.versions,
        tuple(_signature(s, inputs, outputs) for s in ends.asked.signatures),
        tuple(renamed.get(i.op, i.op) for i in ends.tables.initializers),
        {renamed.get(name, name): file for name, file in assets.items()},
    )
    return graph, _FinishedEnds(inputs, outputs, *originals, renamed)


def _checkpoint(model: Model, source: ModelSource, chosen: Chosen, tables: Tables) -> Checkpoint | None:
    """The checkpoint, opened where a variable or table needs one or the caller names one."""
    location = source.checkpoint or model.checkpoint
    if location is None or not (source.checkpoint or chosen.frozen or tables.empty):
        return None
    try:
        return open_checkpoint(location, weights_present=source.weights_present)
    except FreezeError as error:
        # A table may have its contents from elsewhere: for it alone, a checkpoint need not be there.
        if error.reason is not Reason.CHECKPOINT_NOT_FOUND or source.checkpoint or chosen.frozen:
            raise
        return None


def _roots(flat: FlatGraph, tables: Tables) -> tuple[str, ...]:
    names = [node_of(t) for t in flat.tensors.values()] + [i.op for i in tables.initializers]
    return tuple(dict.fromkeys(names))


def _with_assets(model: Model, nodes: Mapping[str, Node]) -> tuple[dict[str, Node], dict[str, str]]:
    """The constants that a loader feeds paths to hold the path below the SavedModel instead."""
    assets = {node_of(tensor): file for tensor, file in model.assets.items()}
    changed = dict(nodes)
    found: dict[str, str] = {}
    for name in assets.keys() & nodes.keys():
        if nodes[name].op == "Const":
            path = f"assets/{assets[name]}".encode()
            value = tensor_attr(TensorProto(dtype=data_type(STRING), tensor_shape={}, string_val=[path]))
            changed[name] = with_attrs(nodes[name], value=value)
            found[name] = assets[name]
    # A variable that an initializer set to such a path holds it as a value of its own.
    paths = {f"assets/{file}".encode(): file for file in assets.values()}
    for node in nodes.values():
        data = node.value.data if node.value else None
        if isinstance(data, TensorProto) and len(data.string_val) == 1 and data.string_val[0] in paths:
            found[node.name] = paths[data.string_val[0]]
    return changed, dict(sorted(found.items()))


def _signature(
    signature: Signature, inputs: tuple[Endpoint, ...], outputs: tuple[Endpoint, ...]
) -> Signature:
    return replace(
        signature,
        inputs=_infos(signature.key, signature.inputs, inputs),
        outputs=_infos(signature.key, signature.outputs, outputs),
    )


def _infos(
    signature_key: str, infos: Mapping[str, TensorInfo], ends: tuple[Endpoint, ...]
) -> dict[str, TensorInfo]:
    tensors = {e.key: e.tensor for e in ends if e.signature_key == signature_key}
    return {key: replace(info, tensor=_full(tensors[key])) for key, info in infos.items()}


def _full(tensor: str) -> str:
    name, index = split_tensor(tensor)
    return f"{name}:{index}"


def _placeholder_shape(node: Node) -> tuple[int, ...] | None:
    value = node.proto.attr.get("shape")
    if value is None or value.shape.unknown_rank:
        return None
    return tuple(d.size for d in value.shape.dim)
