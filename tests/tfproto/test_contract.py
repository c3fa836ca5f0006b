"""Our statement of TensorFlow's messages says what TensorFlow's own says: no less, no more, nothing else."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool

import tffreeze_server.tfproto

OURS = "tffreeze_server.tfproto"
THEIRS = "tensorflow"

Type = FieldDescriptorProto.Type
Label = FieldDescriptorProto.Label
NEVER_PACKED = {Type.TYPE_STRING, Type.TYPE_BYTES, Type.TYPE_MESSAGE, Type.TYPE_GROUP}


def our_files() -> list[FileDescriptor]:
    """List what we state, file by file."""
    modules = (module.name for module in pkgutil.iter_modules(tffreeze_server.tfproto.__path__))
    return [importlib.import_module(f"{OURS}.{module}").DESCRIPTOR for module in modules]


def with_nested(messages: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the messages and all that are nested in them."""
    for message in messages.values():
        yield message
        yield from with_nested(message.nested_types_by_name)


OUR_MESSAGES = [m for file in our_files() for m in with_nested(file.message_types_by_name)]
OUR_ENUMS = [e for file in our_files() for e in file.enum_types_by_name.values()]
OUR_ENUMS += [e for message in OUR_MESSAGES for e in message.enum_types]


def relative(full_name: str) -> str:
    """Take the package off a type's name: it is the one thing that differs."""
    return full_name.removeprefix(".").removeprefix(f"{OURS}.").removeprefix(f"{THEIRS}.")


def syntax(file: FileDescriptor) -> str:
    """Tell proto2 from proto3."""
    stated = FileDescriptorProto()
    file.CopyToProto(stated)
    return stated.syntax or "proto2"


def packed(field: FieldDescriptorProto, file_syntax: str) -> bool:
    """Tell whether a list of numbers is written as one field; proto3 does so unless told not to."""
    if field.label != Label.LABEL_REPEATED or field.type in NEVER_PACKED:
        return False
    return field.options.packed if field.options.HasField("packed") else file_syntax == "proto3"


def field_facts(field: FieldDescriptorProto, message: DescriptorProto, file_syntax: str) -> dict[str, object]:
    """Collect all that decides how one field is written."""
    return {
        "number": field.number,
        "type": Type.Name(field.type),
        "of": relative(field.type_name),
        "label": Label.Name(field.label),
        "packed": packed(field, file_syntax),
        "default": field.default_value,
        "proto3_optional": field.proto3_optional,
        "oneof": message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else None,
    }


def message_facts(descriptor: Any) -> dict[str, object]:
    """Collect all that decides the binary and the text format of a message."""
    message = DescriptorProto()
    descriptor.CopyToProto(message)
    # Presence, and whether an enum takes unknown numbers, go by the syntax of the file.
    file_syntax = syntax(descriptor.file)
    return {
        "syntax": file_syntax,
        "map_entry": message.options.map_entry,
        "messages": sorted(nested.name for nested in message.nested_type),
        "enums": sorted(nested.name for nested in message.enum_type),
        "reserved": sorted((span.start, span.end) for span in message.reserved_range),
        "reserved_names": sorted(message.reserved_name),
        "fields": {field.name: field_facts(field, message, file_syntax) for field in message.field},
    }


def enum_facts(descriptor: Any) -> dict[str, object]:
    """Collect all that decides how the values of an enum are written."""
    enum = EnumDescriptorProto()
    descriptor.CopyToProto(enum)
    return {
        "syntax": syntax(descriptor.file),
        "allow_alias": enum.options.allow_alias,
        "values": {value.name: value.number for value in enum.value},
    }


@pytest.mark.tensorflow
@pytest.mark.parametrize("ours", OUR_MESSAGES, ids=lambda message: relative(message.full_name))
def test_a_message_has_exactly_the_fields_of_tensorflows(ours: Any, tensorflow_pool: DescriptorPool) -> None:
    """A field that is missing, added or different in either statement fails."""
    theirs = tensorflow_pool.FindMessageTypeByName(f"{THEIRS}.{relative(ours.full_name)}")
    assert message_facts(theirs) == message_facts(ours)


@pytest.mark.tensorflow
@pytest.mark.parametrize("ours", OUR_ENUMS, ids=lambda enum: relative(enum.full_name))
def test_an_enum_has_exactly_the_values_of_tensorflows(ours: Any, tensorflow_pool: DescriptorPool) -> None:
    """A value that is missing, added or different in either statement fails."""
    theirs = tensorflow_pool.FindEnumTypeByName(f"{THEIRS}.{relative(ours.full_name)}")
    assert enum_facts(theirs) == enum_facts(ours)


def test_nothing_is_stated_under_the_package_of_tensorflow() -> None:
    """Two statements under one name could not be loaded into one process."""
    assert {OURS} == {file.package for file in our_files()}


def test_the_messages_that_files_begin_with_are_stated() -> None:
    """What a model or checkpoint is parsed as is there, so that the contract has something to hold."""
    roots = {"GraphDef", "MetaGraphDef", "SavedModel", "SavedTensorSlices", "BundleHeaderProto"}
    roots |= {"BundleEntryProto", "TrackableObjectGraph", "CheckpointState", "OpList", "VariableDef"}
    assert set() == roots - {relative(message.full_name) for message in OUR_MESSAGES}
