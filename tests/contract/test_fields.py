"""Dataclasses and the messages of the contract have the same fields."""

from __future__ import annotations

import dataclasses

import pytest

import tffreeze_common.inspection
import tffreeze_common.report
from tffreeze.options import FreezeArguments, ModelFiles
from tffreeze.v1 import inspection_pb2, model_pb2, options_pb2, report_pb2
from tffreeze_common.inspection import VariableStatus
from tffreeze_server.options import FreezeOptions, ModelSource

REPORTS, INSPECTIONS = (
    {
        name: thing
        for name, thing in vars(module).items()
        if isinstance(thing, type) and dataclasses.is_dataclass(thing)
    }
    for module in (tffreeze_common.report, tffreeze_common.inspection)
)


def _names(dataclass: type) -> list[str]:
    return [field.name for field in dataclasses.fields(dataclass)]


def _message_names(message: type) -> list[str]:
    return [field.name for field in message.DESCRIPTOR.fields]  # type: ignore[attr-defined]  # a generated class


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_a_report_is_the_same_as_its_message(name: str) -> None:
    """Each part of a report has the fields of the contract, in the same order."""
    assert _message_names(getattr(report_pb2, name)) == _names(REPORTS[name])


@pytest.mark.parametrize("name", sorted(INSPECTIONS))
def test_an_inspection_is_the_same_as_its_message(name: str) -> None:
    """Each part of an inspection has the fields of the contract, in the same order."""
    assert _message_names(getattr(inspection_pb2, name)) == _names(INSPECTIONS[name])


def test_the_contract_has_no_part_without_a_dataclass() -> None:
    """The messages of report.proto and inspection.proto are the dataclasses, and no more."""
    assert set(report_pb2.DESCRIPTOR.message_types_by_name) == set(REPORTS)
    assert set(inspection_pb2.DESCRIPTOR.message_types_by_name) == set(INSPECTIONS)


def test_the_statuses_of_variables_are_those_of_the_contract() -> None:
    """A status stands at the place of its number."""
    names = [f"VARIABLE_STATUS_{status.name}" for status in VariableStatus]
    assert list(enumerate(names)) == [
        (number, name) for name, number in inspection_pb2.VariableStatus.items()
    ]


def test_options_are_the_same_in_engine_contract_and_client() -> None:
    """An option that one side has, all have."""
    contract = _message_names(options_pb2.FreezeOptions)
    assert contract == _names(FreezeOptions)
    assert set(contract) == FreezeArguments.__annotations__.keys() - ModelFiles.__annotations__.keys()


def test_the_files_of_a_model_are_the_same_in_engine_contract_and_client() -> None:
    """A file that belongs to a model can be named everywhere."""
    files = set(_message_names(model_pb2.ModelSource)) - {"upload", "model_root", "model"}
    assert files == set(_names(ModelSource)) - {"model", "weights_present"}
    assert files == set(ModelFiles.__annotations__)
