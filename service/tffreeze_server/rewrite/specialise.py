"""Function bodies specialised to their variable arguments.

Theory of operation. A body that is given the handle of a frozen variable gets the variable's value instead. So the
type of that argument changes, and with it what the body makes of it; `convert.py` converts the body like any graph.
A specialised body is kept under its key: the function, the values of its attributes, and for each argument that is a
handle its position and type. Calls with the same key share it. A body that is given no handle and holds no variable
stays as the model has it.

What a body calls is made before the body is done, so the types of its results are known to its caller.

Invariants:
- Shapes of variables are not part of the key, so a specialised body knows none.
- If one branch gives a variable as its result, all must; what enters a loop as a variable leaves its body as one.
- A body that writes keeps its calls: they order reads and writes by the values they pass on.
- A new name is in neither the model's library nor the frozen one.
- Functions that run themselves are refused, as are functions nested deeper than `MAX_DEPTH`.
"""

from __future__ import annotations

import itertools
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tffreeze_server.errors import FreezeError, Reason, nearest
from tffreeze_server.graph.attrs import shape_proto, types_attr
from tffreeze_server.graph.body import Arg, Body, to_function_def
from tffreeze_server.graph.functions import Functions
from tffreeze_server.graph.inline import has_frames
from tffreeze_server.graph.library import functions_named, functions_of, holding
from tffreeze_server.graph.node import Node, TensorValue, join_tensor, node_of, with_attrs
from tffreeze_server.graph.op_registry import OpRegistry
from tffreeze_server.graph.ops import CALLS, Call
from tffreeze_server.graph.order import reachable
from tffreeze_server.graph.paths import shown
from tffreeze_server.rewrite.convert import Bindings, Converter, Location
from tffreeze_server.rewrite.frozen_graph import FrozenFunction
from tffreeze_server.rewrite.rewrite_ops import STALE_ATTRS, Handle
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue, NameAttrList
from tffreeze_server.tfproto.graph_pb2 import FunctionDef, NodeDef
from tffreeze_server.tfproto.tensor_pb2 import TensorProto

MAX_DEPTH = 100
"""How deep loops, branches and calls that are not inlined may stand in each other."""

_VALUE_COPIES = 3
"""Of a value that is written into a function: as it is encoded, and joined with what is around it."""


@dataclass(frozen=True, slots=True)
class Specialisation:
    """A function made for some handles.

    Attributes:
        name: Its name in the frozen library.
        results: Which of its results are handles.

    """

    name: str
    results: tuple[Handle | None, ...]


@dataclass(eq=False, slots=True)
class FunctionMaker:
    """Makes the functions of a frozen graph. Grows: it keeps each one that it has made.

    Attributes:
        bindings: The variables to freeze.
        functions: The model's, calls in them inlined; what a body changes is never pruned.
        library: The functions made so far, by name.

    """

    bindings: Bindings
    functions: Functions
    library: dict[str, FunctionDef] = field(default_factory=dict)
    values: dict[str, Mapping[str, TensorValue]] = field(default_factory=dict)
    _made: dict[tuple[object, ...], Specialisation] = field(default_factory=dict)
    _open: dict[tuple[object, ...], str] = field(default_factory=dict)
    _holding: dict[str, bool] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)
    """By function, the first number that was not tried for the name of a function made from it."""

    def frozen_functions(self) -> tuple[FrozenFunction, ...]:
        """All functions that were made, by name."""
        return tuple(FrozenFunction(self.library[n], self.values.get(n, {})) for n in sorted(self.library))

    def called(
        self, node: Node, given: Mapping[int, Handle], location: Location
    ) -> tuple[Node, Mapping[str, Handle]]:
        """See `convert.BodyMaker`."""
        here = Location({}, (), location, node.name)
        if node.op not in CALLS:
            made = self._make(node.op, node.proto.attr, given, here)
            own = frozenset(a.name for a in self.functions.registry.library[node.op].signature.attr)
            renamed = node if made.name == node.op else with_attrs(node, own)._replace(op=made.name)
            return renamed, self._results(node, [made])
        call = CALLS[node.op]
        if any(k < call.skip for k in given):
            raise _first_input(node, given)
        arguments = {k - call.skip: handle for k, handle in given.items()}
        made_by_attr: dict[str, list[Specialisation]] = {}
        for key in call.functions:
            made_by_attr[key] = []
            for function in functions_named(node.proto.attr, key):
                made_by_attr[key].append(self._make(function.name, function.attr, arguments, here))
            if not made_by_attr[key]:
                raise _lacks(node, key)
        if call.is_loop:
            body = made_by_attr["body"][0]
            _check_loop(node, arguments, body)
            results = self._results(node, [body])
        else:
            results = self._results(node, [m for made in made_by_attr.values() for m in made])
        changed = _set_functions(node, made_by_attr)
        if given or results:
            changed = _set_types(changed, call, arguments, results)
        return changed, results

    def named(self, node: Node, location: Location) -> Node:
        """See `convert.BodyMaker`."""
        registry = self.functions.registry
        if not registry.library:
            return node
        made_by_attr: dict[str, list[Specialisation]] = {}
        for key in [k for k in node.proto.attr if functions_named(node.proto.attr, k)]:
            made_by_attr[key] = []
            for f in functions_named(node.proto.attr, key):
                # SymbolicGradient may name an op; an attribute that is not used names nothing.
                if f.name not in registry.library and (not f.name or registry.definition(f.name)):
                    made_by_attr[key].append(Specialisation(f.name, ()))
                    continue
                made = self._make(f.name, f.attr, {}, Location({}, (), location, node.name))
                handle = next((h for h in made.results if h), None)
                if handle is not None:
                    raise _gives(node, f.name, handle)
                made_by_attr[key].append(made)
        return _set_functions(node, made_by_attr) if made_by_attr else node

    def _make(
        self, name: str, attrs: Mapping[str, AttrValue], given: Mapping[int, Handle], location: Location
    ) -> Specialisation:
        library = self.functions.registry.library
        if name not in library:
            raise FreezeError(
                Reason.MALFORMED_MODEL,
                f"The node {location.caller!r} names the function {name!r}, which is not in the model's library. "
                f"{nearest(name, library)}",
                subject=location.caller,
            )
        if not given and not self._holds_variables(name):
            self._keep(name)
            return Specialisation(name, (None,) * len(library[name].signature.output_arg))
        own = {a.name: attrs[a.name] for a in library[name].signature.attr if a.name in attrs}
        key = _key(name, own, given)
        if key not in self._made:
            if key in self._open or len(self._open) >= MAX_DEPTH:
                raise _too_deep(name, self._open.values())
            self._open[key] = name
            self._made[key] = self._new(name, own, given, location)
            del self._open[key]
        return self._made[key]

    def _new(
        self, name: str, attrs: Mapping[str, AttrValue], given: Mapping[int, Handle], location: Location
    ) -> Specialisation:
        body = self.functions.inliner.body(name, attrs)
        self.functions.inliner.draw(body, "the functions made for variables", Node(name, name, (), NodeDef()))
        if any(k >= len(body.args) for k in given):
            raise FreezeError(
                Reason.MALFORMED_MODEL,
                f"The node {location.caller!r} gives more to the function {name!r} than the {len(body.args)} arguments "
                "it takes.",
                subject=location.caller,
            )
        writes = [n.name for n in body.nodes.values() if self.functions.effects.changes(n)]
        if writes:
            # Calls order what they write and read by the values they hand on: they are left.
            body = self.functions.inliner.calling_body(name, attrs)
            writes = [n.name for n in body.nodes.values() if self.functions.effects.changes(n)]
        # Calls with variables of other shapes share this body: it knows none.
        arguments = {body.args[k].name: replace(handle, shape=None) for k, handle in given.items()}
        roots = [node_of(t) for t in body.result_tensors] + [n for _, n in body.control_results]
        argument_names = frozenset(a.name for a in body.args)
        ordered = reachable(body.nodes, [*roots, *writes], argument_names)
        here = Location(ordered, tuple(roots), location.within, location.caller, has_frames(ordered))
        converter = Converter(self.bindings, self.functions.registry, self)
        done = converter.convert(ordered.values(), here, arguments)
        results = tuple(done.handles.get(t) for t in body.result_tensors)
        # A buffer that is a result is a value to the caller.
        made = Specialisation(
            self._free_name(name, given), tuple(None if h is None or h.is_ref else h for h in results)
        )
        self._write(body, made, done.nodes, arguments)
        return made

    def _write(
        self, body: Body, made: Specialisation, nodes: Mapping[str, Node], arguments: Mapping[str, Handle]
    ) -> None:
        frozen = Body(
            made.name,
            tuple(
                Arg(a.name, arguments[a.name].dtype if a.name in arguments else a.dtype) for a in body.args
            ),
            nodes,
            tuple(
                Arg(r.name, h.dtype if h else r.dtype)
                for r, h in zip(body.results, made.results, strict=True)
            ),
            body.result_tensors,
            body.control_results,
            _proto_without_handles(body, arguments),
        )
        original = self.functions.registry
        library = ChainMap(self.library, original.library)  # type: ignore[arg-type]  # only read
        known = OpRegistry(library, original.op_defs, original.budget)
        self.library[made.name] = to_function_def(frozen, known)
        values = {n.name: n.value for n in nodes.values() if n.value is not None}
        # Each function that reads a variable holds its value anew, where that does not stay in a file.
        protos = [value.data for value in values.values() if isinstance(value.data, TensorProto)]
        size_bytes = sum([proto.ByteSize() for proto in protos])
        original.budget.draw(
            "the constants of functions", size_bytes >> 6, _VALUE_COPIES * size_bytes, subject=made.name
        )
        self.values[made.name] = values

    def _results(self, node: Node, made: Sequence[Specialisation]) -> dict[str, Handle]:
        """The results of a call that are handles: where one branch gives a variable, all must."""
        results: dict[str, Handle] = {}
        if len({len(m.results) for m in made}) > 1:
            raise FreezeError(
                Reason.MALFORMED_MODEL,
                f"The branches of the node {node.name!r} (op {node.op!r}) do not give the same number of results.",
                subject=node.name,
            )
        for k, branches in enumerate(zip(*(m.results for m in made), strict=True)):
            handles = [h for h in branches if h is not None]
            if handles and (len(handles) < len(branches) or len({h.dtype for h in handles}) > 1):
                raise FreezeError(
                    Reason.UNSUPPORTED_OP,
                    f"One branch of the node {node.name!r} (op {node.op!r}) gives the frozen variable "
                    f"{handles[0].variables[0]!r}, another one does not. Freeze both or keep both "
                    "(--allow, --deny).",
                    subject=node.name,
                )
            if handles:
                names = tuple(dict.fromkeys(n for h in handles for n in h.variables))
                results[join_tensor(node.name, k)] = Handle(handles[0].dtype, None, False, names)
        return results

    def _holds_variables(self, name: str) -> bool:
        """Whether a variable stands in a function, or in one it runs."""
        if name not in self._holding:
            self._holding.update(holding(name, self.functions.registry.library, self._holding))
        return self._holding[name]

    def _keep(self, name: str) -> None:
        """Take a function, and what it runs, as the model has it."""
        library = self.functions.registry.library
        pending = [name]
        while pending:
            current = pending.pop()
            if current in library and current not in self.library:
                self.library[current] = library[current]
                pending += [f for node in library[current].node_def for f in functions_of(node)]

    def _free_name(self, name: str, given: Mapping[int, Handle]) -> str:
        if not given and name not in self.library:
            return name
        taken = self.functions.registry.library
        for k in itertools.count(self._numbers.get(name, 0)):  # Those before are taken.
            free = f"{name}_frozen{f'_{k}' if k else ''}"
            if free not in self.library and free not in taken:
                self._numbers[name] = k + 1
                return free
        raise AssertionError("numbers do not end")


def _key(name: str, attrs: Mapping[str, AttrValue], given: Mapping[int, Handle]) -> tuple[object, ...]:
    values = tuple((k, attrs[k].SerializeToString(deterministic=True)) for k in sorted(attrs))
    return name, values, tuple((k, given[k].dtype) for k in sorted(given))


def _set_functions(node: Node, made: Mapping[str, Sequence[Specialisation]]) -> Node:
    changes: dict[str, AttrValue] = {}
    for key, functions in made.items():
        before = [f.name for f in functions_named(node.proto.attr, key)]
        if before == [f.name for f in functions]:
            continue
        names = [NameAttrList(name=f.name) for f in functions]
        is_one = node.proto.attr[key].WhichOneof("value") == "func"
        changes[key] = AttrValue(func=names[0]) if is_one else AttrValue(list=AttrValue.ListValue(func=names))
    return with_attrs(node, frozenset(), **changes) if changes else node


def _set_types(
    node: Node, call: Call, arguments: Mapping[int, Handle], results: Mapping[str, Handle]
) -> Node:
    """A call with the types and shapes of what it is given and gives changed to those of the values."""
    changes: dict[str, AttrValue] = {}
    start = 0
    for key in (*call.input_types, call.output_types):
        if key not in node.proto.attr:
            raise _lacks(node, key)
    for key in call.input_types:
        types: list[int] = list(node.proto.attr[key].list.type)
        for k, handle in arguments.items():
            if start <= k < start + len(types):
                types[k - start] = handle.dtype
        start += len(types)
        changes[key] = types_attr(types)
    types = list(changes.get(call.output_types, node.proto.attr[call.output_types]).list.type)
    by_index = {k: results[t] for k in range(len(types)) if (t := join_tensor(node.name, k)) in results}
    for k, handle in by_index.items():
        types[k] = handle.dtype
    changes[call.output_types] = types_attr(types)
    shapes = node.proto.attr.get(call.output_shapes) if call.output_shapes else None
    if shapes is not None and len(shapes.list.shape) == len(types):
        changed = AttrValue()
        changed.CopyFrom(shapes)
        for k, handle in by_index.items():
            changed.list.shape[k].CopyFrom(shape_proto(handle.shape))
        changes[call.output_shapes] = changed
    return with_attrs(node, STALE_ATTRS, **changes)


def _check_loop(node: Node, arguments: Mapping[int, Handle], body: Specialisation) -> None:
    """What goes into a loop as a variable must come round as the same, and nothing else as a variable."""
    for k in sorted(arguments.keys() | {k for k, handle in enumerate(body.results) if handle}):
        before = arguments.get(k)
        after = body.results[k] if k < len(body.results) else None
        handle = before or after
        if handle and (before is None or after is None or before.dtype != after.dtype):
            raise FreezeError(
                Reason.UNSUPPORTED_OP,
                f"The loop {node.name!r} is given the variable {handle.variables[0]!r} and something that is no "
                "frozen variable, or one of another type, in the same place, which a constant cannot stand for. "
                f"Keep the variable (--deny {handle.variables[0]}).",
                subject=node.name,
            )


def _lacks(node: Node, attr: str) -> FreezeError:
    return FreezeError(
        Reason.MALFORMED_MODEL,
        f"The node {node.name!r} (op {node.op!r}) lacks its attribute {attr!r}. Export the model again.",
        subject=node.name,
    )


def _gives(node: Node, function: str, handle: Handle) -> FreezeError:
    return FreezeError(
        Reason.UNSUPPORTED_OP,
        f"The function {function!r}, which the node {node.name!r} (op {node.op!r}) runs, gives the variable "
        f"{handle.variables[0]!r} itself, not its value. Keep the variable (--deny {handle.variables[0]}).",
        subject=node.name,
    )


def _too_deep(name: str, functions: Iterable[str]) -> FreezeError:
    return FreezeError(
        Reason.UNSUPPORTED_OP,
        f"The function {name!r} runs itself, directly or through others, or loops, branches and calls stand in each "
        f"other deeper than {MAX_DEPTH}: {shown(functions)}. With variables in it, that cannot be frozen.",
        subject=name,
    )


def _first_input(node: Node, given: Mapping[int, Handle]) -> FreezeError:
    handle = given[min(given)]
    return FreezeError(
        Reason.MALFORMED_MODEL,
        f"The node {node.name!r} (op {node.op!r}) takes the variable {handle.variables[0]!r} where it needs a value.",
        subject=node.name,
    )


def _proto_without_handles(body: Body, arguments: Mapping[str, Handle]) -> FunctionDef:
    """The function's attributes, what they say of arguments that were handles taken out."""
    if not arguments:
        return body.proto
    proto = FunctionDef()
    proto.CopyFrom(body.proto)
    proto.attr.pop("_input_shapes", None)
    for k, arg in enumerate(body.args):
        if arg.name in arguments:
            proto.arg_attr.pop(k, None)
            proto.resource_arg_unique_id.pop(k, None)
    return proto
