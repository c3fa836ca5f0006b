"""Which value each variable has.

In this order: what the loader sets after the restore; what the model's first saver restores; what its other savers
restore, if they agree; what the variable's name says. With `moving_average` the average of what was found,
where the checkpoint has it.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from tffreeze_common.report import ValueSource
from tffreeze_server.checkpoint.checkpoint import Checkpoint
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.flatten.flatten import FlatModel
from tffreeze_server.graph.functions import Functions
from tffreeze_server.graph.inline import nodes_run_by
from tffreeze_server.graph.model import Model, Saver
from tffreeze_server.graph.node import Node, TensorValue, from_node_def
from tffreeze_server.graph.ops import VARIABLE_OPS
from tffreeze_server.graph.variables import (
    Binding,
    Variable,
    is_nameless,
    key_of,
    variable_key,
    variables_of,
)
from tffreeze_server.options import FreezeOptions
from tffreeze_server.resolve import bind
from tffreeze_server.resolve.by_name import Names, names_of
from tffreeze_server.resolve.initializers import Initializers, read_initializers
from tffreeze_server.resolve.resources import ResourceContents, resource_contents
from tffreeze_server.resolve.restore_ops import (
    CheckpointTensor,
    check_saver,
    describe,
    implied_savers,
    restored_by,
)
from tffreeze_server.resolve.trace import VariableKey

SaverAnswers = Mapping[VariableKey, CheckpointTensor | FreezeError]
"""What a saver restores each variable from, as `restored_by` gives it."""

MOVING_AVERAGE = "/ExponentialMovingAverage"
"""What tensorflow/python/training/moving_averages.py appends to the name of an average."""


@dataclass(frozen=True, slots=True)
class Values:
    """The values that a freeze needs.

    Attributes:
        bindings: One for each variable to freeze, in the same order.
        contents: What the checkpoint has for tables and other resources.

    """

    bindings: tuple[Binding, ...]
    contents: tuple[ResourceContents, ...]


def resolve(sources: Sources, flat: FlatModel) -> Values:
    """Find the values of what is to be frozen.

    Args:
        sources: Where the values of the model's variables may come from.
        flat: Whose variables, tables and other resources count.

    Raises:
        FreezeError: CHECKPOINT_NEEDED, CHECKPOINT_NOT_FOUND, VARIABLE_NOT_IN_CHECKPOINT, VARIABLE_MISMATCH,
            VALUES_DISAGREE, UNSUPPORTED_RESTORE, UNSUPPORTED_INITIALIZER, RESTORE_OP_NOT_FOUND, and what
            reading the graph or the checkpoint's index raises.

    """
    contents: tuple[ResourceContents, ...] = ()
    if flat.tables.may_be_restored:
        saver = sources.saver_of_resources
        graph = sources.restore_graph(saver) if saver else {}
        contents = resource_contents(flat.tables, saver, graph, sources.checkpoint, sources.functions.effects)
    return Values(tuple([sources.binding(variable) for variable in flat.variables.frozen]), contents)


class Sources:
    """Where the values of a model's variables may come from, each read when first asked, and kept.

    Args:
        model: The model.
        checkpoint: Its checkpoint, if there is one.
        options: What was asked for: `moving_average` and `initializer_nodes` count here.
        functions: The model's.

    """

    def __init__(
        self, model: Model, checkpoint: Checkpoint | None, options: FreezeOptions, functions: Functions
    ) -> None:
        self.model = model
        self.checkpoint = checkpoint
        self.options = options
        self.functions = functions
        self._bindings: dict[Variable, Binding] = {}
        self._restore_graphs: dict[str, Mapping[str, Node]] = {}

    @cached_property
    def nodes(self) -> Mapping[str, Node]:
        """The model's nodes by name."""
        return {node.name: node for node in self.model.nodes}

    @cached_property
    def variables(self) -> Mapping[VariableKey, Variable]:
        """The model's variables, those in function bodies too."""
        return variables_of(self._handles, VARIABLE_OPS)

    @cached_property
    def _nameless(self) -> frozenset[VariableKey]:
        """Those variables whose handles have no shared_name."""
        return frozenset(variable_key(node) for node in self._handles if is_nameless(node))

    @cached_property
    def _handles(self) -> tuple[Node, ...]:
        """The nodes that are variables, those in function bodies too."""
        inner = (
            from_node_def(proto)
            for function in self.model.library.values()
            for proto in function.node_def
            if proto.op in VARIABLE_OPS
        )
        return (*(node for node in self.model.nodes if node.op in VARIABLE_OPS), *inner)

    def restore_graph(self, saver: Saver) -> Mapping[str, Node]:
        """All that a saver's restore op runs, flat.

        Raises:
            FreezeError: RESTORE_OP_NOT_FOUND; what `nodes_run_by` raises.

        """
        if saver.restore_op not in self._restore_graphs:
            check_saver(saver, self.nodes)
            self._restore_graphs[saver.restore_op] = nodes_run_by(
                self.nodes, [saver.restore_op], self.functions.inliner
            )
        return self._restore_graphs[saver.restore_op]

    @property
    def saver_of_resources(self) -> Saver | None:
        """The saver that restores tables and other resources: the model's first whose restore op is there."""
        savers = [s for s in self.model.savers if s.restore_op in self.nodes]
        return next(iter(savers or implied_savers(self.nodes)), None)

    def binding(self, variable: Variable) -> Binding:
        """The value of a variable, from wherever it is.

        Raises:
            FreezeError: As `resolve`.

        """
        if variable not in self._bindings:
            self._bindings[variable] = self._bind(variable)
        return self._bindings[variable]

    def _bind(self, variable: Variable) -> Binding:
        self._check_shared(variable)
        random = self.initializers.random_assignment(key_of(variable))
        restored = self.restored(variable) if random else None
        if restored is not None:
            # Random numbers are nobody's trained weights: what was trained counts, and the report says so.
            return replace(restored, random_initializer=random)
        value = self.initializers.value(key_of(variable))
        if value is not None:
            return bind.initialised(variable, value)
        if self.checkpoint is None:
            raise bind.no_checkpoint(self.model, variable)
        restored = self.restored(variable)
        if restored is None:
            raise bind.not_in_checkpoint(variable, self.checkpoint, names_of(variable))
        return restored

    def _check_shared(self, variable: Variable) -> None:
        """Handles without a shared_name are all of one variable, whatever their nodes are called."""
        key = key_of(variable)
        if key not in self._nameless:
            return
        other = next((n for c, n in sorted(self._nameless) if c == key[0] and n != key[1]), None)
        if other is not None:
            raise FreezeError(
                Reason.VALUES_DISAGREE,
                f"The nodes {variable.name!r} and {other!r} (op 'VarHandleOp') have no shared_name, so to TensorFlow "
                "they are one variable, and nothing says which of their two values it has. Export the model again "
                "with variables that have names, or leave the variable as it is with --deny.",
                subject=variable.name,
            )

    def restored(self, variable: Variable) -> Binding | None:
        """The value of a variable that the restore gives it; None where it gives none."""
        if self.checkpoint is None:
            return None
        found = self._found(variable, self.checkpoint)
        if self.options.moving_average:
            found = self._average(variable, self.checkpoint, found) or found
        return bind.restored(variable, self.checkpoint, *found) if found else None

    @cached_property
    def initializers(self) -> Initializers:
        """What runs after the restore."""
        init_ops = (*self.model.init_ops, *self.options.initializer_nodes)
        # Weakly, as they live in this object: a cycle would keep the model until the garbage collector runs.
        sources = weakref.proxy(self)

        def restored(key: VariableKey) -> TensorValue | None:
            binding = sources.restored(sources.variables[key]) if key in sources.variables else None
            return binding.value if binding else None

        return read_initializers(self.model, self.nodes, init_ops, restored, self.functions.inliner)

    @cached_property
    def first_saver(self) -> SaverAnswers:
        """What the model's first saver restores.

        Raises:
            FreezeError: As `restored_by`; UNSUPPORTED_RESTORE where the caller's saver restores nothing.

        """
        if not self.model.savers:
            return {}
        saver = self.model.savers[0]
        answers = restored_by(self.restore_graph(saver), saver)
        if not answers and saver.origin.startswith("--"):
            raise bind.restores_nothing(saver)
        return answers

    @cached_property
    def other_savers(self) -> tuple[tuple[Saver, SaverAnswers], ...]:
        """What the model's other savers restore; those of a bare graph are told by their names."""
        savers = self.model.savers[1:] if self.model.savers else implied_savers(self.nodes)
        found = []
        for saver in savers:
            # One that cannot be read says nothing: nobody asked for it.
            try:
                found.append((saver, restored_by(self.restore_graph(saver), saver)))
            except FreezeError as error:
                if error.reason is Reason.MODEL_TOO_COMPLEX:
                    raise
        return tuple(found)

    @cached_property
    def names(self) -> Names:
        """What names tell."""
        assert self.checkpoint is not None
        by_name = {name: v for v in self.variables.values() for name in reversed(names_of(v))}
        return Names(self.checkpoint, self.model.meta_graph, by_name)

    def _found(
        self, variable: Variable, checkpoint: Checkpoint
    ) -> tuple[CheckpointTensor, ValueSource] | None:
        first = self.first_saver.get(key_of(variable))
        if isinstance(first, FreezeError):
            raise first
        if first is not None:
            return first, ValueSource.SAVER
        others = self._others(variable, checkpoint)
        if not others:
            return self.names.find(variable)
        named = None if self.model.savers else self.names.find(variable)
        if named is not None:
            # A bare graph: nothing says that its saver is the one which wrote this checkpoint.
            others.append(("its name", named[0]))
        for origin, restored in others[1:]:
            if restored != others[0][1]:
                raise _disagree(variable, others[0], (origin, restored))
        return others[0][1], ValueSource.SAVER

    def _others(self, variable: Variable, checkpoint: Checkpoint) -> list[tuple[str, CheckpointTensor]]:
        """What the savers but the model's first say, where the checkpoint has it."""
        answers = [(saver.origin, restored.get(key_of(variable))) for saver, restored in self.other_savers]
        return [(o, r) for o, r in answers if isinstance(r, CheckpointTensor) and r.key in checkpoint.entries]

    def _average(
        self, variable: Variable, checkpoint: Checkpoint, found: tuple[CheckpointTensor, ValueSource] | None
    ) -> tuple[CheckpointTensor, ValueSource] | None:
        region = found[0] if found else CheckpointTensor("")
        for key in [region.key] if found else names_of(variable):
            if key + MOVING_AVERAGE in checkpoint.entries:
                average = CheckpointTensor(
                    key + MOVING_AVERAGE, region.region, region.whole_shape, region.reshaped
                )
                return average, ValueSource.MOVING_AVERAGE
        return None


def _disagree(
    variable: Variable, one: tuple[str, CheckpointTensor], other: tuple[str, CheckpointTensor]
) -> FreezeError:
    return FreezeError(
        Reason.VALUES_DISAGREE,
        f"The variable {variable.name!r} is {describe(one[1])} by {one[0]}, and {describe(other[1])} by {other[0]}. "
        "Give the saver to use with --restore-op, or with --saver.",
        subject=variable.name,
    )
