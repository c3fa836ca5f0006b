"""Freeze a model to a file, run the file with TensorFlow, compare.

A frozen graph is run as its user would: imported into an empty graph in a fresh session, with nothing of the
model at hand but its assets, whose paths are relative to the working directory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tffreeze_common.report import Report
from tffreeze_server.emit.emit import write_file
from tffreeze_server.freeze import freeze
from tffreeze_server.options import FreezeOptions, ModelSource

tf = pytest.importorskip("tensorflow")
np = pytest.importorskip("numpy")
tf1 = tf.compat.v1
RewriterConfig = tf1.ConfigProto().graph_options.rewrite_options

RELATIVE, ABSOLUTE = 1e-4, 1e-5

VARIABLE_OPS = frozenset(
    "Variable VariableV2 VarHandleOp ReadVariableOp AssignVariableOp Assign ResourceGather ResourceGatherNd "
    "VariableShape VarIsInitializedOp IsVariableInitialized RefSwitch RefEnter RefMerge RefSelect "
    "RefIdentity RefNextIteration RefExit Restore RestoreSlice RestoreV2 Save SaveSlices SaveV2 "
    "ShardedFilename MergeV2Checkpoints".split()
)


@dataclass(frozen=True)
class Frozen:
    """A frozen graph as it lies on disk.

    Attributes:
        graph: The file, parsed by TensorFlow.
        report: What the freeze said of it.
        size_bytes: Of the file.

    """

    graph: Any
    report: Report
    size_bytes: int

    def ops(self) -> set[str]:
        """The ops in the graph and in its functions."""
        bodies = (function.node_def for function in self.graph.library.function)
        return {node.op for nodes in (self.graph.node, *bodies) for node in nodes}


def freeze_file(source: ModelSource | Path, output: Path, options: FreezeOptions | None = None) -> Frozen:
    """Freeze to the file `output` and read it back with TensorFlow's own messages."""
    if isinstance(source, Path):
        source = ModelSource(source)
    result = freeze(source, options or FreezeOptions())
    write_file(result.plan, output)
    data = output.read_bytes()
    assert len(data) == result.report.size_bytes
    frozen = Frozen(tf1.GraphDef.FromString(data), result.report, len(data))
    if not result.report.kept_variables:
        assert set() == frozen.ops() & VARIABLE_OPS
    return frozen


def run(
    frozen: Frozen, feeds: Mapping[str, Any], fetches: Iterable[str] | None = None, cwd: Path | None = None
) -> dict[str, Any]:
    """Run a frozen graph.

    Args:
        frozen: What to run.
        feeds: By tensor name in the model. Those that the frozen graph lacks are dropped.
        fetches: Tensor names in the model; None: all outputs of the report.
        cwd: Where `assets/` lies.

    Returns:
        The outputs by tensor name in the model.

    """
    renamed = {report.original: report.tensor for report in (*frozen.report.inputs, *frozen.report.outputs)}
    wanted = {
        name: renamed.get(name, name) for name in fetches or (out.original for out in frozen.report.outputs)
    }
    with session_of(frozen, cwd) as session:
        nodes = {node.name for node in frozen.graph.node}
        given = {renamed.get(name, name): value for name, value in feeds.items()}
        given = {name: value for name, value in given.items() if name.rpartition(":")[0] in nodes}
        return dict(session.run(wanted, given))


@contextlib.contextmanager
def session_of(frozen: Frozen, cwd: Path | None = None) -> Iterator[Any]:
    """A session with the frozen graph in it, its tables filled."""
    with (
        contextlib.chdir(cwd or Path.cwd()),
        tf.Graph().as_default(),
        tf1.Session(config=config()) as session,
    ):
        tf.import_graph_def(frozen.graph, name="")
        for initializer in frozen.report.initializers:
            session.run(initializer.op)
        yield session


def config(cpus: int = 1) -> Any:
    """How every session here runs: one thread, as a model of these sizes needs no more.

    Grappler's remapper is off: what it replaces (a gelu by an approximation that is 1e-3 away, bfloat16 by what the
    processor has) depends on how much of a graph it sees, and functions that are inlined show it more.
    """
    made = tf1.ConfigProto(
        device_count={"CPU": cpus}, inter_op_parallelism_threads=1, intra_op_parallelism_threads=1
    )
    made.graph_options.rewrite_options.remapping = RewriterConfig.OFF
    return made


@contextlib.contextmanager
def without_remapper() -> Iterator[None]:
    """The same for what is run eagerly."""
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"remapping": False})
    yield
    tf.config.optimizer.set_experimental_options({"remapping": before.get("remapping", True)})


def assert_same(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> None:
    """Outputs are the same: names, dtypes and shapes; numbers closely, all else exactly."""
    assert set(expected) == set(actual)
    for name, value in expected.items():
        want, got = np.asarray(value), np.asarray(actual[name])
        assert want.shape == got.shape, name
        if want.dtype.kind in "SO" or got.dtype.kind in "SO":
            assert want.tolist() == got.tolist(), name
        else:
            assert want.dtype == got.dtype, name
            exact = want.dtype.kind in "iub"
            tolerance = {"rtol": 0, "atol": 0} if exact else {"rtol": RELATIVE, "atol": ABSOLUTE}
            if want.dtype.kind not in "iubfc":  # bfloat16 and float8 are numpy extensions
                want, got = want.astype(np.float32), got.astype(np.float32)
            np.testing.assert_allclose(got, want, **tolerance, err_msg=name)


def assert_freezes_signature(
    folder: Path, output: Path, key: str = "serving_default", **inputs: Any
) -> Frozen:
    """The frozen signature of a SavedModel gives what TensorFlow's own loader gives."""
    with without_remapper():
        loaded = tf.saved_model.load(str(folder)).signatures[key]
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        expected = {name: value.numpy() for name, value in loaded(**tensors).items()}
    frozen = freeze_file(folder, output, FreezeOptions(signature_keys=(key,)))
    originals = {report.key: report.original for report in frozen.report.inputs}
    actual = run(frozen, {originals[name]: value for name, value in inputs.items()}, cwd=folder)
    keys = {report.original: report.key for report in frozen.report.outputs}
    assert_same(expected, {keys[name]: value for name, value in actual.items()})
    return frozen
