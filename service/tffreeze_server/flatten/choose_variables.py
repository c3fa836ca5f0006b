"""Which variables are frozen and which stay."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tffreeze_server.errors import FreezeError, Reason, nearest
from tffreeze_server.graph.library import variables_in_functions
from tffreeze_server.graph.model import Model
from tffreeze_server.graph.node import Node
from tffreeze_server.graph.ops import VARIABLE_OPS
from tffreeze_server.graph.variables import Variable, variable_key, variables_of
from tffreeze_server.options import FreezeOptions


@dataclass(frozen=True, slots=True)
class VariableChoice:
    """The variables that outputs reach.

    Attributes:
        frozen: Those to freeze.
        kept: Those to leave as they are.

    """

    frozen: tuple[Variable, ...]
    kept: tuple[Variable, ...]


def choose_variables(model: Model, nodes: Mapping[str, Node], options: FreezeOptions) -> VariableChoice:
    """Apply the allow-list and the deny-list, which name variables or their nodes.

    Raises:
        FreezeError: VARIABLE_NOT_FOUND for a name that is no variable of the model.

    """
    everywhere = [*nodes.values(), *variables_in_functions(nodes.values(), model.library)]
    reached = variables_of(everywhere, VARIABLE_OPS)
    _check_names(model, reached.values(), (*options.allow, *options.deny))
    frozen: list[Variable] = []
    kept: list[Variable] = []
    allow, deny = frozenset(options.allow), frozenset(options.deny)
    for variable in reached.values():
        stays = _stays({variable.name, *variable.nodes}, allow, deny)
        (kept if stays else frozen).append(variable)
    return VariableChoice(tuple(frozen), tuple(kept))


def keeps(options: FreezeOptions) -> Callable[[Node], bool] | None:
    """Whether the variable that a node is stays one; None where no list is given."""
    if not options.allow and not options.deny:
        return None
    allow, deny = frozenset(options.allow), frozenset(options.deny)
    return lambda node: _stays({node.name, variable_key(node)[1]}, allow, deny)


def _stays(names: set[str], allow: frozenset[str], deny: frozenset[str]) -> bool:
    return not names.isdisjoint(deny) or (bool(allow) and names.isdisjoint(allow))


def _check_names(model: Model, reached: Iterable[Variable], names: Iterable[str]) -> None:
    known = {name for v in reached for name in (v.name, *v.nodes)}
    unknown = [name for name in names if name not in known]
    if not unknown:
        return
    everything = variables_of(model.nodes, VARIABLE_OPS).values()
    known |= {name for v in everything for name in (v.name, *v.nodes)}
    for name in unknown:
        if name not in known:
            raise FreezeError(
                Reason.VARIABLE_NOT_FOUND,
                f"The allow-list or deny-list names {name!r}, which is no variable of the model. "
                f"{nearest(name, known)}",
                subject=name,
            )
