#!/usr/bin/env python3
"""Make the sample models of `tests/fixtures` with TensorFlow.

    make fixtures

Each is trained here on data made here, from fixed seeds. Beside it lies `golden.npz`: feeds (`in|TENSOR`) and
what the unfrozen model makes of them (`out|TENSOR`), in the format of the real models that the tests read.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

FIXTURES = Path(__file__).resolve().parent.parent / "tests" / "fixtures"
tf1 = tf.compat.v1

# Ten digits in five columns and seven rows, one row per group.
FONT = (
    "01110 10001 10011 10101 11001 10001 01110",
    "00100 01100 00100 00100 00100 00100 01110",
    "01110 10001 00001 00110 01000 10000 11111",
    "11110 00001 00001 01110 00001 00001 11110",
    "00010 00110 01010 10010 11111 00010 00010",
    "11111 10000 11110 00001 00001 10001 01110",
    "00110 01000 10000 11110 10001 10001 01110",
    "11111 00001 00010 00100 01000 01000 01000",
    "01110 10001 10001 01110 10001 10001 01110",
    "01110 10001 10001 01111 00001 00010 01100",
)


def main() -> None:
    """Make all of them, or the ones that are named."""
    parser = argparse.ArgumentParser(description="Make the sample models of tests/fixtures.")
    parser.add_argument("names", nargs="*", choices=[*MAKERS, []], help="only these")
    for name in parser.parse_args().names or MAKERS:
        folder = FIXTURES / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        keras.utils.set_random_seed(2024)
        golden = MAKERS[name](folder)
        np.savez_compressed(folder / "golden.npz", **golden)
        print(f"{name}: {sum(path.stat().st_size for path in folder.rglob('*') if path.is_file())} bytes")


def noisy_digits(count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Images, float32 of [count, 9, 9, 1] from 0 to 1, and their digits, int64 of [count]."""
    digits = np.array([[list(map(int, row)) for row in digit.split()] for digit in FONT], np.float32)
    labels = random.integers(0, 10, count)
    images = np.zeros((count, 9, 9, 1), np.float32)
    for image, label in zip(images, labels, strict=True):
        top, left = random.integers(0, 3), random.integers(0, 5)
        image[top : top + 7, left : left + 5, 0] = digits[label] * random.uniform(0.6, 1.0)
    images += random.normal(0.0, 0.15, images.shape)
    return np.clip(images, 0.0, 1.0).astype(np.float32), labels


def make_digits(folder: Path) -> dict[str, np.ndarray]:
    """A SavedModel: a convolutional classifier of digits, trained; signature `serving_default`."""
    random = np.random.default_rng(1)
    model = keras.Sequential(
        [
            keras.Input((9, 9, 1), name="image"),
            keras.layers.Conv2D(12, 3, use_bias=False, name="conv"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.ReLU(name="relu"),
            keras.layers.MaxPooling2D(2, name="pool"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dropout(0.1, name="dropout"),
            keras.layers.Dense(10, activation="softmax", name="digit"),
        ],
        name="digits",
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(*noisy_digits(6000, random), epochs=20, batch_size=32, verbose=0)
    _, accuracy = model.evaluate(*noisy_digits(1000, random), verbose=0)
    assert accuracy > 0.97, f"the classifier is right in {accuracy:.1%} only"
    tf.saved_model.save(
        model,
        str(folder),
        signatures=tf.function(lambda image: {"probabilities": model(image)}).get_concrete_function(
            tf.TensorSpec((None, 9, 9, 1), tf.float32, name="image")
        ),
        options=tf.saved_model.SaveOptions(save_debug_info=False),
    )
    images, labels = noisy_digits(20, random)
    answer = tf.saved_model.load(str(folder)).signatures["serving_default"](image=images)
    return {
        "in|serving_default_image:0": images,
        "out|StatefulPartitionedCall:0": answer["probabilities"].numpy(),
        "labels": labels,
    }


def make_moving_average(folder: Path) -> dict[str, np.ndarray]:
    """A MetaGraph of ref variables whose saver restores their moving averages; a sharded checkpoint."""
    with tf.Graph().as_default(), tf1.Session() as session:
        x, y = linear_regression()
        average = tf.train.ExponentialMovingAverage(0.9)
        train(session, x, y, average)
        tf1.train.Saver(sharded=True, save_relative_paths=True).save(
            session, str(folder / "model"), write_meta_graph=False
        )
        renaming = tf1.train.Saver(average.variables_to_restore(), sharded=True)
        renaming.export_meta_graph(str(folder / "model.meta"))
        renaming.restore(session, str(folder / "model"))
        return golden_of(session, x, y)


def make_graph_v1(folder: Path) -> dict[str, np.ndarray]:
    """A text GraphDef without a saver, and its checkpoint in the V1 format."""
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        x, y = linear_regression()
        tf1.train.write_graph(graph.as_graph_def(), str(folder), "graph.pbtxt")
        session.run(tf1.global_variables_initializer())
        train(session, x, y, None)
        tf1.train.Saver(
            tf1.trainable_variables(), write_version=tf1.train.SaverDef.V1, save_relative_paths=True
        ).save(session, str(folder / "model"), write_meta_graph=False)
        return golden_of(session, x, y)


def linear_regression() -> tuple[tf.Tensor, tf.Tensor]:
    """Placeholder `x`, float32 of [?, 2], and prediction `y`, float32 of [?, 1]."""
    x = tf1.placeholder(tf.float32, (None, 2), name="x")
    w = tf1.get_variable("w", (2, 1), initializer=tf1.zeros_initializer(), use_resource=False)
    b = tf1.get_variable("b", (1,), initializer=tf1.zeros_initializer(), use_resource=False)
    return x, tf.add(tf.matmul(x, w), b, name="y")


def train(
    session: tf1.Session, x: tf.Tensor, y: tf.Tensor, average: tf.train.ExponentialMovingAverage | None
) -> None:
    """Fit y = 3·x₀ - 2·x₁ + 1."""
    truth = tf1.placeholder(tf.float32, (None, 1), name="truth")
    step = tf1.train.MomentumOptimizer(0.05, 0.9).minimize(tf.reduce_mean(tf.square(y - truth)))
    if average is not None:
        with tf.control_dependencies([step]):
            step = average.apply(tf1.trainable_variables())
    session.run(tf1.variables_initializer(tf1.trainable_variables()))  # averages start from their values
    session.run(tf1.global_variables_initializer())
    inputs = np.random.default_rng(2).uniform(-1, 1, (64, 2)).astype(np.float32)
    outputs = inputs @ np.array([[3], [-2]], np.float32) + 1
    for _ in range(200):
        session.run(step, {x: inputs, truth: outputs})


def golden_of(session: tf1.Session, x: tf.Tensor, y: tf.Tensor) -> dict[str, np.ndarray]:
    """What the model makes of four points."""
    points = np.array([[0, 0], [1, 0], [0, 1], [-0.5, 0.25]], np.float32)
    return {f"in|{x.name}": points, f"out|{y.name}": session.run(y, {x: points})}


MAKERS = {"digits": make_digits, "moving_average": make_moving_average, "graph_v1": make_graph_v1}

if __name__ == "__main__":
    main()
