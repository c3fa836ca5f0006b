"""Which value each variable has.

In this order: what the loader sets after the restore; what the model's first saver restores; what its other savers
restore, if they agree; what the variable's name says. With `moving_average` the average of what was found,
where the checkpoint has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from tffreeze_server.checkpoint.checkpoint import Checkpoint
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.freeze.options import FreezeOptions
from tffreeze_server.freeze.roles import VARIABLE_OPS
from tffreeze_server.freeze.variables import Binding, Variable, variables_of
from tffreeze_server.graph.model import Model, Saver
from tffreeze_server.graph.node import Node, TensorValue
from tffreeze_server.resolve import bind
from tffreeze_server.resolve.by_name import Names, names_of
from tffreeze_server.resolve.initializers import Initializers, read_initializers
from tffreeze_server.resolve.restore_ops import Restored, describe, implied_savers, restored_by
from tffreeze_server.resolve.trace import VariableKey

MOVING_AVERAGE = "/ExponentialMovingAverage"
"""What tensorflow/python/training/moving_averages.py appends to the name of an average."""


def resolve(
    model: Model, checkpoint: Checkpoint | None, options: FreezeOptions, needed: Sequence[Variable]
) -> tuple[Binding, ...]:
    """Find the value of each variable.

    Args:
        model: The model as it was read.
        checkpoint: Its checkpoint; None where there is none.
        options: `moving_average` and `initializer_nodes` count here.
        needed: Variables of the model.

    Returns:
        One binding for each variable, in the same order.

    Raises:
        FreezeError: CHECKPOINT_NEEDED, CHECKPOINT_NOT_FOUND, VARIABLE_NOT_IN_CHECKPOINT, VARIABLE_MISMATCH,
            VALUES_DISAGREE, UNSUPPORTED_RESTORE, UNSUPPORTED_INITIALIZER, RESTORE_OP_NOT_FOUND, and what
            reading the graph or the checkpoint's index raises.

    """
    if not needed:
        return ()
    nodes = {node.name: node for node in model.nodes}
    variables = variables_of(model.nodes, VARIABLE_OPS)
    sources = Sources(model, nodes, variables, checkpoint, options)
    return tuple([sources.binding(variable) for variable in needed])


@dataclass(frozen=True)
class Sources:
    """Where the values of a model's variables may come from, each read when first asked.

    Attributes:
        model: The model.
        nodes: Its nodes by name.
        variables: Its variables.
        checkpoint: Its checkpoint, if there is one.
        options: What was asked for.

    """

    model: Model
    nodes: Mapping[str, Node]
    variables: Mapping[VariableKey, Variable]
    checkpoint: Checkpoint | None
    options: FreezeOptions

    def binding(self, variable: Variable) -> Binding:
        """The value of a variable, from wherever it is.

        Raises:
            FreezeError: As `resolve`.

        """
        random = self.initializers.random_assignment(_key(variable))
        restored = self.restored(variable) if random else None
        if restored is not None:
            # Random numbers are nobody's trained weights: what was trained counts, and the report says so.
            return replace(restored, random_initializer=random)
        value = self.initializers.value(_key(variable))
        if value is not None:
            return bind.initialised(variable, value)
        if self.checkpoint is None:
            raise bind.no_checkpoint(self.model, variable)
        restored = self.restored(variable)
        if restored is None:
            raise bind.not_in_checkpoint(variable, self.checkpoint, names_of(variable))
        return restored

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
        return read_initializers(self.model, self.nodes, init_ops, self._restored_value)

    @cached_property
    def savers(self) -> tuple[tuple[Saver, Mapping[VariableKey, Restored | FreezeError]], ...]:
        """What each saver restores; of savers but the first only those whose restore op is there."""
        there = [s for s in self.model.savers[1:] if s.restore_op in self.nodes]
        savers = (*self.model.savers[:1], *there) or implied_savers(self.nodes)
        return tuple([(saver, restored_by(self.model, self.nodes, saver)) for saver in savers])

    @cached_property
    def names(self) -> Names:
        """What names tell."""
        assert self.checkpoint is not None
        by_name = {name: v for v in self.variables.values() for name in reversed(names_of(v))}
        return Names(self.checkpoint, self.model.meta_graph, by_name)

    def _restored_value(self, key: VariableKey) -> TensorValue | None:
        binding = self.restored(self.variables[key]) if key in self.variables else None
        return binding.value if binding else None

    def _found(self, variable: Variable, checkpoint: Checkpoint) -> tuple[Restored, str] | None:
        if self.model.savers:
            first = self.savers[0][1].get(_key(variable))
            if isinstance(first, FreezeError):
                raise first
            if first is not None:
                return first, "saver"
        others = self._others(variable, checkpoint)
        named = self.names.find(variable)
        if not others:
            return named
        if named is not None and not self.model.savers:
            # A bare graph: nothing says that its saver is the one which wrote this checkpoint.
            others.append(("its name", named[0]))
        for origin, restored in others[1:]:
            if restored != others[0][1]:
                raise _disagree(variable, others[0], (origin, restored))
        return others[0][1], "saver"

    def _others(self, variable: Variable, checkpoint: Checkpoint) -> list[tuple[str, Restored]]:
        """What the savers but the model's first say, where the checkpoint has it."""
        answers = [
            (saver.origin, restored.get(_key(variable)))
            for saver, restored in self.savers[1 if self.model.savers else 0 :]
        ]
        return [(o, r) for o, r in answers if isinstance(r, Restored) and r.key in checkpoint.entries]

    def _average(
        self, variable: Variable, checkpoint: Checkpoint, found: tuple[Restored, str] | None
    ) -> tuple[Restored, str] | None:
        region = found[0] if found else Restored("")
        for key in [region.key] if found else names_of(variable):
            if key + MOVING_AVERAGE in checkpoint.entries:
                average = Restored(key + MOVING_AVERAGE, region.region, region.whole_shape, region.reshaped)
                return average, "moving_average"
        return None


def _key(variable: Variable) -> VariableKey:
    return variable.container, variable.name


def _disagree(variable: Variable, one: tuple[str, Restored], other: tuple[str, Restored]) -> FreezeError:
    return FreezeError(
        Reason.VALUES_DISAGREE,
        f"The variable {variable.name!r} is {describe(one[1])} by {one[0]}, and {describe(other[1])} by {other[0]}. "
        "Give the saver to use with --restore-op, or with --saver.",
        subject=variable.name,
    )
