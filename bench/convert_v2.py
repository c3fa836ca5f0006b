#!/usr/bin/env python3
"""Freeze a SavedModel with TensorFlow's own tools: `convert_v2.py MODEL OUTPUT`."""

import sys
from pathlib import Path

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

if __name__ == "__main__":
    model = tf.saved_model.load(sys.argv[1])
    frozen = convert_variables_to_constants_v2(model.signatures["serving_default"])
    Path(sys.argv[2]).write_bytes(frozen.graph.as_graph_def().SerializeToString())
