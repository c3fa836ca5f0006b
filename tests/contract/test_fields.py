"""The engine's dataclasses, the messages of the contract and the client's dataclasses have the same fields."""

from __future__ import annotations

import dataclasses

import pytest

import tffreeze.inspection
import tffreeze.report
import tffreeze_server.inspection.inspection
import tffreeze_server.report.report
from tffreeze.options import FreezeArguments, ModelFiles
from tffreeze.v1 import inspection_pb2, model_pb2, options_pb2, report_pb2
from tffreeze_server.options import FreezeOptions, ModelSource

ENGINE = {
    name: thing
    for name, thing in vars(tffreeze_server.report.report).items()
    if dataclasses.is_dataclass(thing) and isinstance(thing, type)
}


def _names(dataclass: type) -> list[str]:
    return [field.name for field in dataclasses.fields(dataclass)]


def _message_names(message: type) -> list[str]:
    return [field.name for field in message.DESCRIPTOR.fields]  # type: ignore[attr-defined]  # a generated class


@pytest.mark.parametrize("name", sorted(ENGINE))
def test_a_report_is_the_same_in_engine_contract_and_client(name: str) -> None:
    """Each part of a report has the same fields in the same order on the way from engine to caller."""
    assert _message_names(getattr(report_pb2, name)) == _names(ENGINE[name])
    assert _message_names(getattr(report_pb2, name)) == _names(getattr(tffreeze.report, name))


def test_the_contract_has_no_report_that_the_engine_lacks() -> None:
    """The messages of report.proto are the engine's dataclasses, and no more."""
    assert set(ENGINE) == set(report_pb2.DESCRIPTOR.message_types_by_name)


@pytest.mark.parametrize("name", sorted(inspection_pb2.DESCRIPTOR.message_types_by_name))
def test_an_inspection_is_the_same_in_engine_contract_and_client(name: str) -> None:
    """Each part of an inspection has the same fields in the same order on the way from engine to caller."""
    assert _message_names(getattr(inspection_pb2, name)) == _names(
        getattr(tffreeze_server.inspection.inspection, name)
    )
    assert _message_names(getattr(inspection_pb2, name)) == _names(getattr(tffreeze.inspection, name))


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
