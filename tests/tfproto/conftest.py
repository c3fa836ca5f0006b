"""TensorFlow's own messages, to hold ours against."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pool import DescriptorPool

# `import tensorflow` brings most of them along, but promises none.
TENSORFLOW_MODULES = (
    "tensorflow.core.framework.graph_pb2",
    "tensorflow.core.framework.tensor_slice_pb2",
    "tensorflow.core.framework.variable_pb2",
    "tensorflow.core.protobuf.saved_model_pb2",
    "tensorflow.core.protobuf.tensor_bundle_pb2",
    "tensorflow.core.protobuf.trackable_object_graph_pb2",
    "tensorflow.core.util.saved_tensor_slice_pb2",
    "tensorflow.python.training.checkpoint_state_pb2",
)


@pytest.fixture(scope="session")
def tf() -> Any:
    """Import TensorFlow, or skip."""
    return pytest.importorskip("tensorflow", reason="TensorFlow is not installed to compare with")


@pytest.fixture(scope="session")
def tensorflow_pool(tf: Any) -> DescriptorPool:  # noqa: ARG001 - where there is none, `tf` skips
    """Fill the pool with TensorFlow's descriptors; ours are in it too, under their own package."""
    for module in TENSORFLOW_MODULES:
        importlib.import_module(module)
    return descriptor_pool.Default()
