"""Which nodes of a graph without signatures could be its inputs and outputs.

The rule. Looked at is the forward part: what inputs reach, save what is there for training, saving, tests
and summaries (by op, or by the scopes that TensorFlow's own code puts it in). A candidate is a node of it
that no other node of it reads; or what such a node makes a loss of; or one whose name or op says that it is a
result, as in a training graph the predictions are read by the loss. Names and ops give points (the tables
below), an end two more, a loss loses; the later node goes first among equals.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from tffreeze_server.graph.model import Model, Saver
from tffreeze_server.graph.node import Node, node_of
from tffreeze_server.graph.ops import (
    INPUT_OPS,
    LOSS_OPS,
    NO_RESULT_OPS,
    SOURCE_OPS,
    is_for_training,
    is_write,
)
from tffreeze_server.graph.saver_nodes import readers_of, saver_nodes

MAX_CANDIDATES = 20

_NAME_POINTS: Mapping[str, int] = {
    "probabilities": 5,
    "probability": 5,
    "probs": 5,
    "prob": 5,
    "predictions": 5,
    "prediction": 5,
    "predict": 4,
    "pred": 4,
    "final_result": 5,
    "output": 4,
    "outputs": 4,
    "result": 4,
    "results": 4,
    "softmax": 4,
    "sigmoid": 3,
    "logits": 3,
    "scores": 4,
    "score": 3,
    "classes": 3,
    "labels": 1,
    "embedding": 3,
    "embeddings": 3,
    "detection_boxes": 5,
    "detection_scores": 5,
    "detection_classes": 5,
    "num_detections": 5,
}
"""For the last part of a name, without its number."""

_OP_POINTS: Mapping[str, int] = {
    "Softmax": 3,
    "LogSoftmax": 2,
    "Sigmoid": 3,
    "ArgMax": 2,
    "TopKV2": 2,
    "Tanh": 1,
    "BiasAdd": 1,
    "Identity": 1,
    "CTCGreedyDecoder": 3,
    "CTCBeamSearchDecoder": 3,
}
_RESULT_POINTS = 4
"""From how many points on a node is a candidate though others read it."""
_END_POINTS = 2
_LOSS_POINTS = -6
_LOSS_NAME = re.compile(
    r"loss|cost|xent|cross_entropy|accuracy|metric|regulariz|correct|global_step|learning_rate", re.I
)

# Scopes of tf.gradients, optimizers, Saver and the inlined parts of summaries, with their numbers.
_TRAINING_SCOPE = re.compile(
    r"(^|/)(gradients|save|Initializer|Adam|Adagrad|RMSProp|Momentum|GradientDescent|report_uninitialized_variables|"
    r"init_all_tables|group_deps|train_op|clip_by_global_norm)(_\d+)?(/|$)"
)
_NUMBER = re.compile(r"_\d+$")


def input_nodes(nodes: Iterable[Node], savers: Iterable[Saver], fed: Collection[str]) -> list[Node]:
    """Find the nodes that give a graph its input.

    Args:
        nodes: Of the graph.
        savers: Their filename tensors are no inputs.
        fed: Tensors that a loader feeds (asset paths): they are no inputs either.

    """
    not_inputs = {node_of(saver.filename_tensor) for saver in savers} | {node_of(tensor) for tensor in fed}
    return [
        n
        for n in nodes
        if n.op in INPUT_OPS and n.name not in not_inputs and not _TRAINING_SCOPE.search(n.name)
    ]


def candidate_outputs(model: Model) -> list[Node]:
    """Rank the nodes that could be outputs, the likeliest first, by the rule above."""
    forward = _forward(model)
    ends = _ends(forward)
    ranked: list[tuple[int, int, Node]] = []
    for position, node in enumerate(forward.values()):
        points = _points(node) + (_END_POINTS if node.name in ends else 0)
        if node.op not in SOURCE_OPS and (node.name in ends or points >= _RESULT_POINTS):
            ranked.append((points, position, node))
    ranked.sort(key=lambda item: item[:2], reverse=True)
    return [node for _, _, node in ranked[:MAX_CANDIDATES]]


def _ends(forward: Mapping[str, Node]) -> set[str]:
    """The nodes that nothing reads, and what those make a loss of."""
    read = {node_of(tensor) for node in forward.values() for tensor in node.inputs if tensor[:1] != "^"}
    ends = set(forward) - read
    pending = list(ends)
    while pending:
        node = forward[pending.pop()]
        if node.op not in LOSS_OPS:
            continue
        behind = {node_of(tensor) for tensor in node.inputs} & forward.keys() - ends
        ends |= behind
        pending += behind
    return ends


def _forward(model: Model) -> dict[str, Node]:
    """What inputs reach, in file order; everything, where there are no inputs."""
    savers = saver_nodes(model)
    kept = {node.name: node for node in model.nodes if node.name not in savers and _is_forward(node)}
    roots = {node.name for node in kept.values() if node.op in SOURCE_OPS}
    if not roots:
        return kept
    reached = readers_of(kept, roots)
    return {name: node for name, node in kept.items() if name in reached}


def _is_forward(node: Node) -> bool:
    return not (
        node.op in NO_RESULT_OPS
        or is_write(node.op)
        or (is_for_training(node.op) and node.op not in SOURCE_OPS)
        or _TRAINING_SCOPE.search(node.name)
    )


def _points(node: Node) -> int:
    *_, scope, last = ("", *node.name.split("/"))
    points = _NAME_POINTS.get(_NUMBER.sub("", last).lower(), 0)
    # Layers end in an op's name: `predictions/Softmax`, `output/BiasAdd`.
    points = max(points, _NAME_POINTS.get(_NUMBER.sub("", scope).lower(), 0) if node.op in _OP_POINTS else 0)
    is_loss = node.op in LOSS_OPS or _LOSS_NAME.search(node.name)
    return points + _OP_POINTS.get(node.op, 0) + (_LOSS_POINTS if is_loss else 0)
