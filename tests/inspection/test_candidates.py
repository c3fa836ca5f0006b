"""Which nodes of a graph without signatures are taken for its outputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tffreeze_server.inspection.inspect import inspect
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.tfproto.graph_pb2 import GraphDef
from tffreeze_server.tfproto.tensor_pb2 import DT_FLOAT

CASES = [
    ("tf1hist_tfprof_V1ckpt/graph.pbtxt", "Conv2D_1"),
    ("cloudml_babyweight_graph_ckpt/graph.pbtxt", "dnn/logits/BiasAdd"),
    ("cloudml_babyweight_graph_ckpt/model.ckpt-1000.meta", "dnn/logits/BiasAdd"),
    ("tfx_trainer_graph_ckpt/graph.pbtxt", "head/predictions/probabilities"),
    ("tfx_trainer_graph_ckpt/model.ckpt-1000.meta", "head/predictions/probabilities"),
    ("crazydonkey_charrnn/model-85340.meta", "evaluation/softmax/Softmax"),
    ("mlnet_cifar_meta_ckpt/model.ckpt.meta", "ArgMax"),
    ("tf1_embedding_ckpt_meta/embedding.ckpt.meta", "my_embedding/read"),
]


def candidates(folder: Path, *nodes: tuple[str, str, list[str]]) -> list[str]:
    """The candidates of a graph of float nodes, given as name, op and inputs."""
    graph = GraphDef()
    for name, op, inputs in nodes:
        node = graph.node.add(name=name, op=op, input=inputs)
        node.attr["dtype" if op == "Placeholder" else "T"].type = DT_FLOAT
    (folder / "graph.pb").write_bytes(graph.SerializeToString())
    found = inspect(ModelSource(folder / "graph.pb"), FreezeOptions()).candidate_outputs
    return [tensor.tensor for tensor in found]


@pytest.mark.parametrize(("graph", "output"), CASES, ids=[graph for graph, _ in CASES])
def test_what_was_taken_from_real_graphs_is_the_first_candidate(
    models_dir: Path, graph: str, output: str
) -> None:
    """Training graphs of real models: the likeliest output is the one that their users took."""
    known = json.dumps(json.loads((models_dir / "manifest.json").read_text()))
    assert output in known
    found = inspect(ModelSource(models_dir / graph), FreezeOptions()).candidate_outputs
    assert f"{output}:0" == found[0].tensor


def test_an_end_of_the_graph_is_a_candidate(tmp_path: Path) -> None:
    """A node that nothing reads, whatever its name; what it reads is none."""
    found = candidates(tmp_path, ("x", "Placeholder", []), ("a", "Relu", ["x"]), ("b", "Relu", ["a"]))
    assert ["b:0"] == found


def test_a_result_by_name_is_a_candidate_though_it_is_read(tmp_path: Path) -> None:
    """The node named after a result goes before the end of the graph."""
    found = candidates(
        tmp_path,
        ("x", "Placeholder", []),
        ("net/predictions", "Softmax", ["x"]),
        ("b", "Relu", ["net/predictions"]),
    )
    assert ["net/predictions:0", "b:0"] == found


def test_what_a_loss_is_made_of_goes_before_the_loss(tmp_path: Path) -> None:
    """Behind mean and difference is the prediction."""
    found = candidates(
        tmp_path,
        ("x", "Placeholder", []),
        ("truth", "Placeholder", []),
        ("y", "Relu", ["x"]),
        ("sub", "Sub", ["y", "truth"]),
        ("square", "Square", ["sub"]),
        ("Mean", "Mean", ["square"]),
    )
    assert "y:0" == found[0]
    assert {"y:0", "Mean:0", "square:0", "sub:0"} == set(found)


def test_training_saving_and_summaries_are_no_candidates(tmp_path: Path) -> None:
    """Gradients, savers, summaries, asserts, initial values and what inputs do not reach are left out."""
    found = candidates(
        tmp_path,
        ("x", "Placeholder", []),
        ("y", "Relu", ["x"]),
        ("gradients/y_grad/ReluGrad", "ReluGrad", ["y", "y"]),
        ("gradients_1/more", "Relu", ["y"]),
        ("save/copy", "Relu", ["y"]),
        ("seen", "HistogramSummary", ["y"]),
        ("checked", "Assert", ["y"]),
        ("alone/Initializer/zeros", "ZerosLike", ["x"]),
        ("unreached", "Const", []),
        ("after", "Relu", ["unreached"]),
        ("all", "NoOp", ["^y"]),
    )
    assert ["y:0"] == found


def test_the_later_of_equals_goes_first(tmp_path: Path) -> None:
    """Ends with the same points, the last in the file first."""
    found = candidates(tmp_path, ("x", "Placeholder", []), ("a", "Relu", ["x"]), ("b", "Relu", ["x"]))
    assert ["b:0", "a:0"] == found


def test_there_are_never_more_than_twenty(tmp_path: Path) -> None:
    """A list for people."""
    ends = [(f"end{k}", "Relu", ["x"]) for k in range(100)]
    assert 20 == len(candidates(tmp_path, ("x", "Placeholder", []), *ends))


def test_a_graph_without_inputs_has_candidates(tmp_path: Path) -> None:
    """Where nothing is fed all of the graph is looked at."""
    found = candidates(tmp_path, ("c", "Const", []), ("a", "Relu", ["c"]))
    assert ["a:0"] == found
