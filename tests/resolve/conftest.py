"""A fresh graph for each test that builds one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def graph() -> Iterator[object]:
    """TensorFlow's default graph, empty, for the test alone."""
    tf = pytest.importorskip("tensorflow")
    with tf.Graph().as_default() as fresh:
        yield fresh
