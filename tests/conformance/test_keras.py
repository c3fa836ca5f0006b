"""Keras 3 models, saved both ways that Keras and TensorFlow offer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.harness import assert_freezes_signature, np, tf

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.tensorflow
layers = keras.layers


def dense() -> Any:
    """Dense layers of several activations."""
    return keras.Sequential([keras.Input((6,)), layers.Dense(5, "relu"), layers.Dense(3, "softmax")])


def conv_norm() -> Any:
    """Convolution, batch normalisation, depthwise convolution, pooling."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.DepthwiseConv2D(3),
            layers.LayerNormalization(),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.5),
        ]
    )


def lstm() -> Any:
    """An LSTM, whose loop is a While over its weights."""
    return keras.Sequential([keras.Input((5, 3)), layers.LSTM(4, return_sequences=True), layers.LSTM(2)])


def lstm_masked() -> Any:
    """An LSTM that skips padding."""
    return keras.Sequential([keras.Input((5, 3)), layers.Masking(), layers.LSTM(4)])


def gru() -> Any:
    """A GRU."""
    return keras.Sequential([keras.Input((5, 3)), layers.GRU(4, reset_after=False)])


def bidirectional() -> Any:
    """The same sequence both ways."""
    return keras.Sequential(
        [keras.Input((5, 3)), layers.Bidirectional(layers.LSTM(3, return_sequences=True))]
    )


def embedding() -> Any:
    """A lookup by integers."""
    return keras.Sequential([keras.Input((7,), dtype="int32"), layers.Embedding(20, 4), layers.Flatten()])


def attention() -> Any:
    """A transformer block."""
    inputs = keras.Input((6, 8))
    attended = layers.MultiHeadAttention(2, 4)(inputs, inputs)
    return keras.Model(inputs, layers.LayerNormalization()(attended + inputs))


def two_towers() -> Any:
    """Two inputs through shared weights, two outputs."""
    left, right, shared = keras.Input((4,), name="left"), keras.Input((4,), name="right"), layers.Dense(3)
    return keras.Model(
        [left, right],
        {"sum": shared(left) + shared(right), "dot": layers.Dot(1)([shared(left), shared(right)])},
    )


def half_precision() -> Any:
    """Weights of float32 computed with as bfloat16."""
    return keras.Sequential([keras.Input((6,)), layers.Dense(5, dtype="mixed_bfloat16"), layers.Dense(2)])


BUILDERS: list[Callable[[], Any]] = [
    dense,
    conv_norm,
    lstm,
    lstm_masked,
    gru,
    bidirectional,
    embedding,
    attention,
    two_towers,
    half_precision,
]


def save(model: Any, folder: Path) -> None:
    """As a user of TensorFlow does."""
    signature = tf.function(lambda *inputs: as_dict(model(inputs if len(inputs) > 1 else inputs[0])))
    specs = [tf.TensorSpec((None, *x.shape[1:]), x.dtype, name=x.name) for x in model.inputs]
    tf.saved_model.save(model, str(folder), signatures=signature.get_concrete_function(*specs))


def export(model: Any, folder: Path) -> None:
    """As a user of Keras 3 does."""
    model.export(str(folder), verbose=False)


def as_dict(value: Any) -> dict[str, Any]:
    """What a signature must give."""
    return value if isinstance(value, dict) else {"output": value}


@pytest.mark.parametrize("saved_by", [save, export])
@pytest.mark.parametrize("build", BUILDERS)
def test_keras_model(build: Callable[[], Any], saved_by: Callable[[Any, Path], None], tmp_path: Path) -> None:
    """A frozen Keras model gives what the model gave."""
    keras.utils.set_random_seed(7)
    model = build()
    randomise(model)
    saved_by(model, tmp_path / "model")
    random = np.random.default_rng(3)
    inputs = {
        x.name: random.integers(0, 20, (3, *x.shape[1:])).astype(np.int32)
        if "int" in x.dtype
        else random.normal(size=(3, *x.shape[1:])).astype(x.dtype)
        for x in model.inputs
    }
    assert_freezes_signature(tmp_path / "model", tmp_path / "frozen.pb", **inputs)


def randomise(model: Any) -> None:
    """Give every weight values of its own, so that no two can be mixed up unseen."""
    random = np.random.default_rng(5)
    for weight in model.weights:
        if "seed" not in weight.path:
            weight.assign(random.uniform(0.05, 0.9, weight.shape).astype(np.float32))
