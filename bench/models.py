#!/usr/bin/env python3
"""Make a model to measure with: `models.py NAME FOLDER`. Weights are random; nothing is trained."""

from __future__ import annotations

import sys
from pathlib import Path

LAYERS = 16


def resnet50(folder: Path) -> None:
    """A SavedModel of Keras' ResNet50, 103 MB of weights."""
    import keras

    keras.utils.set_random_seed(1)
    keras.applications.ResNet50(weights=None).export(str(folder), verbose=False)


def dense(folder: Path, width: int) -> None:
    """A GraphDef of `LAYERS` square ref variables of float32, and its checkpoint."""
    import numpy as np
    import tensorflow as tf

    tf1 = tf.compat.v1
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        y = tf1.placeholder(tf.float32, (None, width), name="x")
        for layer in range(LAYERS):
            y = tf.nn.relu(y @ tf1.get_variable(f"layer{layer}/kernel", (width, width), use_resource=False))
        tf.identity(y, name="y")
        tf1.train.write_graph(graph.as_graph_def(), str(folder), "graph.pb", as_text=False)
        saver = tf1.train.Saver()
        for variable in tf1.global_variables():
            variable.load(np.random.default_rng(1).random((width, width), np.float32), session)
        saver.save(session, str(folder / "model"), write_meta_graph=False)


def many_nodes(folder: Path, count: int) -> None:
    """A GraphDef of `count` nodes, half of them training leftovers that no output needs, and two variables."""
    import tensorflow as tf

    tf1 = tf.compat.v1
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        x = tf1.placeholder(tf.float32, (None, 8), name="x")
        w = tf1.get_variable("w", (8, 8), use_resource=False)
        tf.matmul(x, w, name="block0/add")
        definition = graph.as_graph_def()
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver().save(session, str(folder / "model"), write_meta_graph=False)
    for block in range(1, count // 4):
        _block(definition, block)
    definition.node.add(name="y", op="Identity", input=[f"block{count // 4 - 1}/add"]).attr["T"].type = 1
    (folder / "graph.pb").write_bytes(definition.SerializeToString())


def _block(definition: object, block: int) -> None:
    """Four nodes: y·w + y goes on to the next block; the square of it does not."""
    before, name = f"block{block - 1}/add", f"block{block}"
    for op, suffix, inputs in (
        ("MatMul", "matmul", [before, "w/read"]),
        ("AddV2", "add", [f"{name}/matmul", before]),
        ("Square", "square", [f"{name}/add"]),
        ("Neg", "neg", [f"{name}/square"]),
    ):
        definition.node.add(name=f"{name}/{suffix}", op=op, input=inputs).attr["T"].type = 1  # type: ignore[attr-defined]


MAKERS = {
    "resnet50": resnet50,
    "dense_1gb": lambda folder: dense(folder, 4096),
    "dense_100mb": lambda folder: dense(folder, 1280),
    "nodes_100k": lambda folder: many_nodes(folder, 100_000),
    "nodes_1m": lambda folder: many_nodes(folder, 1_000_000),
}

if __name__ == "__main__":
    target = Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    MAKERS[sys.argv[1]](target)
