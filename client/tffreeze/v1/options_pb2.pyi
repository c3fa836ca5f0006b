from tffreeze.v1 import model_pb2 as _model_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FreezeOptions(_message.Message):
    __slots__ = ("tags", "signature_keys", "output_nodes", "input_nodes", "restore_op", "filename_tensor", "clear_devices", "allow", "deny", "moving_average", "rename_io", "as_saved_model", "as_text", "initializer_nodes")
    TAGS_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_KEYS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_NODES_FIELD_NUMBER: _ClassVar[int]
    INPUT_NODES_FIELD_NUMBER: _ClassVar[int]
    RESTORE_OP_FIELD_NUMBER: _ClassVar[int]
    FILENAME_TENSOR_FIELD_NUMBER: _ClassVar[int]
    CLEAR_DEVICES_FIELD_NUMBER: _ClassVar[int]
    ALLOW_FIELD_NUMBER: _ClassVar[int]
    DENY_FIELD_NUMBER: _ClassVar[int]
    MOVING_AVERAGE_FIELD_NUMBER: _ClassVar[int]
    RENAME_IO_FIELD_NUMBER: _ClassVar[int]
    AS_SAVED_MODEL_FIELD_NUMBER: _ClassVar[int]
    AS_TEXT_FIELD_NUMBER: _ClassVar[int]
    INITIALIZER_NODES_FIELD_NUMBER: _ClassVar[int]
    tags: _model_pb2.TagSet
    signature_keys: _containers.RepeatedScalarFieldContainer[str]
    output_nodes: _containers.RepeatedScalarFieldContainer[str]
    input_nodes: _containers.RepeatedScalarFieldContainer[str]
    restore_op: str
    filename_tensor: str
    clear_devices: bool
    allow: _containers.RepeatedScalarFieldContainer[str]
    deny: _containers.RepeatedScalarFieldContainer[str]
    moving_average: bool
    rename_io: bool
    as_saved_model: bool
    as_text: bool
    initializer_nodes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tags: _Optional[_Union[_model_pb2.TagSet, _Mapping]] = ..., signature_keys: _Optional[_Iterable[str]] = ..., output_nodes: _Optional[_Iterable[str]] = ..., input_nodes: _Optional[_Iterable[str]] = ..., restore_op: _Optional[str] = ..., filename_tensor: _Optional[str] = ..., clear_devices: bool = ..., allow: _Optional[_Iterable[str]] = ..., deny: _Optional[_Iterable[str]] = ..., moving_average: bool = ..., rename_io: bool = ..., as_saved_model: bool = ..., as_text: bool = ..., initializer_nodes: _Optional[_Iterable[str]] = ...) -> None: ...
