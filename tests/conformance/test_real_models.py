"""Every real model with golden outputs gives them when frozen, or ends in the expected error."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.expected_errors import EXPECTED_ERRORS
from conformance.harness import assert_same, freeze_file, run, tf
from conformance.real_models import Case, golden_cases
from tffreeze_server.errors import FreezeError
from tffreeze_server.freeze import freeze

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("models_dir")]
CASES = {case.name: case for case in golden_cases()}
FREEZING = [CASES[name] for name in sorted(CASES.keys() - EXPECTED_ERRORS)]


@pytest.mark.parametrize("case", FREEZING, ids=lambda case: case.name)
def test_frozen_gives_what_the_model_gave(case: Case, tmp_path: Path) -> None:
    """The frozen graph is complete without the checkpoint and gives the golden outputs."""
    feeds, expected = case.golden()
    frozen = freeze_file(case.source, tmp_path / "frozen.pb", case.options)
    assert_same(expected, run(frozen, feeds, expected, cwd=case.folder))


@pytest.mark.parametrize("case", FREEZING, ids=lambda case: case.name)
def test_weights_are_those_of_the_checkpoint(case: Case, tmp_path: Path) -> None:
    """Each constant that was a variable holds, bit by bit, what TensorFlow reads under the key of the report."""
    frozen = freeze_file(case.source, tmp_path / "frozen.pb", case.options)
    constants = {node.name: node.attr["value"].tensor for node in frozen.graph.node}
    prefix = case.source.checkpoint or case.folder / "variables" / "variables"
    restored = [variable for variable in frozen.report.variables if variable.key]
    reader = tf.train.load_checkpoint(str(prefix)) if restored else None
    for variable in restored:
        value = tf.make_ndarray(constants[variable.node])
        whole = reader.get_tensor(variable.key)
        assert variable.dtype == value.dtype.name
        assert variable.shape == value.shape
        if whole.shape == value.shape:  # else it is a slice: the outputs tell
            assert whole.tobytes() == value.tobytes()


@pytest.mark.parametrize("name", sorted(EXPECTED_ERRORS))
def test_error_is_the_expected_one(name: str) -> None:
    """What cannot be frozen ends in the reason on the list."""
    case = CASES[name]
    with pytest.raises(FreezeError) as caught:
        freeze(case.source, case.options)
    assert EXPECTED_ERRORS[name][0] == caught.value.reason
