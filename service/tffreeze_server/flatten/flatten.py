"""What the chosen outputs need of a model: one flat graph, what fills its tables, and its variables."""

from __future__ import annotations

from dataclasses import dataclass

from tffreeze_server.flatten.choose_outputs import Endpoints
from tffreeze_server.flatten.choose_variables import VariableChoice, choose_variables, keeps
from tffreeze_server.flatten.flat_graph import FlatGraph, flat_graph
from tffreeze_server.flatten.tables import Tables, with_tables
from tffreeze_server.graph.functions import Functions
from tffreeze_server.graph.model import Model
from tffreeze_server.options import FreezeOptions


@dataclass(frozen=True, slots=True)
class FlatModel:
    """What the chosen outputs need of a model; no value of a variable is known yet.

    Attributes:
        endpoints: The chosen outputs, and the inputs that belong to them.
        graph: What they reach, flat.
        tables: The same with what fills its tables.
        variables: Which of its variables are to be frozen, and which stay.

    """

    endpoints: Endpoints
    graph: FlatGraph
    tables: Tables
    variables: VariableChoice

    @property
    def needs_checkpoint(self) -> bool:
        """Whether a variable, a table or another resource of it may have its value in the checkpoint."""
        return bool(self.variables.frozen or self.tables.may_be_restored)


def flatten(model: Model, endpoints: Endpoints, options: FreezeOptions, functions: Functions) -> FlatModel:
    """Inline, cut and prune the model's graph to what the chosen outputs need.

    Args:
        model: As it was loaded.
        endpoints: What `choose_outputs` chose.
        options: Where to cut, and which variables stay.
        functions: The model's.

    Raises:
        FreezeError: OUTPUT_NOT_FOUND, INPUT_NOT_FOUND, VARIABLE_NOT_FOUND, REACHABLE_WRITE, MALFORMED_MODEL,
            UNSUPPORTED_OP, UNSUPPORTED_INITIALIZER, UNKNOWN_OP, MODEL_TOO_COMPLEX.

    """
    nodes = {node.name: node for node in model.nodes}
    graph = flat_graph(nodes, endpoints, options.input_nodes, functions, keeps(options))
    tables = with_tables(model, graph.nodes, functions, options.initializer_nodes)
    return FlatModel(endpoints, graph, tables, choose_variables(model, tables.nodes, options))
