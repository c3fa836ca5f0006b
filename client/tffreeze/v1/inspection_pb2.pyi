from tffreeze.v1 import model_pb2 as _model_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VariableStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VARIABLE_STATUS_UNSPECIFIED: _ClassVar[VariableStatus]
    VARIABLE_STATUS_FOUND: _ClassVar[VariableStatus]
    VARIABLE_STATUS_MISSING: _ClassVar[VariableStatus]
    VARIABLE_STATUS_MISMATCH: _ClassVar[VariableStatus]
    VARIABLE_STATUS_NO_CHECKPOINT: _ClassVar[VariableStatus]
VARIABLE_STATUS_UNSPECIFIED: VariableStatus
VARIABLE_STATUS_FOUND: VariableStatus
VARIABLE_STATUS_MISSING: VariableStatus
VARIABLE_STATUS_MISMATCH: VariableStatus
VARIABLE_STATUS_NO_CHECKPOINT: VariableStatus

class Inspection(_message.Message):
    __slots__ = ("kind", "all_tags", "tags", "signatures", "savers", "init_ops", "assets", "variables", "extra_keys", "candidate_outputs", "inputs", "obstacles", "nodes", "functions", "needs")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ALL_TAGS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    SIGNATURES_FIELD_NUMBER: _ClassVar[int]
    SAVERS_FIELD_NUMBER: _ClassVar[int]
    INIT_OPS_FIELD_NUMBER: _ClassVar[int]
    ASSETS_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    EXTRA_KEYS_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OBSTACLES_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    FUNCTIONS_FIELD_NUMBER: _ClassVar[int]
    NEEDS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    all_tags: _containers.RepeatedCompositeFieldContainer[_model_pb2.TagSet]
    tags: _containers.RepeatedScalarFieldContainer[str]
    signatures: _containers.RepeatedCompositeFieldContainer[SignatureInspection]
    savers: _containers.RepeatedCompositeFieldContainer[SaverInspection]
    init_ops: _containers.RepeatedScalarFieldContainer[str]
    assets: _containers.RepeatedCompositeFieldContainer[AssetInspection]
    variables: _containers.RepeatedCompositeFieldContainer[VariableInspection]
    extra_keys: _containers.RepeatedScalarFieldContainer[str]
    candidate_outputs: _containers.RepeatedCompositeFieldContainer[TensorInspection]
    inputs: _containers.RepeatedCompositeFieldContainer[TensorInspection]
    obstacles: _containers.RepeatedCompositeFieldContainer[ObstacleInspection]
    nodes: int
    functions: int
    needs: _containers.RepeatedCompositeFieldContainer[NeedInspection]
    def __init__(self, kind: _Optional[str] = ..., all_tags: _Optional[_Iterable[_Union[_model_pb2.TagSet, _Mapping]]] = ..., tags: _Optional[_Iterable[str]] = ..., signatures: _Optional[_Iterable[_Union[SignatureInspection, _Mapping]]] = ..., savers: _Optional[_Iterable[_Union[SaverInspection, _Mapping]]] = ..., init_ops: _Optional[_Iterable[str]] = ..., assets: _Optional[_Iterable[_Union[AssetInspection, _Mapping]]] = ..., variables: _Optional[_Iterable[_Union[VariableInspection, _Mapping]]] = ..., extra_keys: _Optional[_Iterable[str]] = ..., candidate_outputs: _Optional[_Iterable[_Union[TensorInspection, _Mapping]]] = ..., inputs: _Optional[_Iterable[_Union[TensorInspection, _Mapping]]] = ..., obstacles: _Optional[_Iterable[_Union[ObstacleInspection, _Mapping]]] = ..., nodes: _Optional[int] = ..., functions: _Optional[int] = ..., needs: _Optional[_Iterable[_Union[NeedInspection, _Mapping]]] = ...) -> None: ...

class SignatureInspection(_message.Message):
    __slots__ = ("key", "method_name", "inputs", "outputs")
    KEY_FIELD_NUMBER: _ClassVar[int]
    METHOD_NAME_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    key: str
    method_name: str
    inputs: _containers.RepeatedCompositeFieldContainer[TensorInspection]
    outputs: _containers.RepeatedCompositeFieldContainer[TensorInspection]
    def __init__(self, key: _Optional[str] = ..., method_name: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[TensorInspection, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[TensorInspection, _Mapping]]] = ...) -> None: ...

class TensorInspection(_message.Message):
    __slots__ = ("key", "tensor", "dtype", "shape", "op")
    KEY_FIELD_NUMBER: _ClassVar[int]
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    OP_FIELD_NUMBER: _ClassVar[int]
    key: str
    tensor: str
    dtype: str
    shape: _model_pb2.Shape
    op: str
    def __init__(self, key: _Optional[str] = ..., tensor: _Optional[str] = ..., dtype: _Optional[str] = ..., shape: _Optional[_Union[_model_pb2.Shape, _Mapping]] = ..., op: _Optional[str] = ...) -> None: ...

class SaverInspection(_message.Message):
    __slots__ = ("restore_op", "filename_tensor", "origin")
    RESTORE_OP_FIELD_NUMBER: _ClassVar[int]
    FILENAME_TENSOR_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    restore_op: str
    filename_tensor: str
    origin: str
    def __init__(self, restore_op: _Optional[str] = ..., filename_tensor: _Optional[str] = ..., origin: _Optional[str] = ...) -> None: ...

class AssetInspection(_message.Message):
    __slots__ = ("tensor", "file")
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    tensor: str
    file: str
    def __init__(self, tensor: _Optional[str] = ..., file: _Optional[str] = ...) -> None: ...

class VariableInspection(_message.Message):
    __slots__ = ("name", "op", "dtype", "shape", "status", "key", "source", "message", "size_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OP_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    op: str
    dtype: str
    shape: _model_pb2.Shape
    status: VariableStatus
    key: str
    source: str
    message: str
    size_bytes: int
    def __init__(self, name: _Optional[str] = ..., op: _Optional[str] = ..., dtype: _Optional[str] = ..., shape: _Optional[_Union[_model_pb2.Shape, _Mapping]] = ..., status: _Optional[_Union[VariableStatus, str]] = ..., key: _Optional[str] = ..., source: _Optional[str] = ..., message: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class NeedInspection(_message.Message):
    __slots__ = ("signature_key", "variables", "found", "size_bytes")
    SIGNATURE_KEY_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    signature_key: str
    variables: _containers.RepeatedScalarFieldContainer[str]
    found: int
    size_bytes: int
    def __init__(self, signature_key: _Optional[str] = ..., variables: _Optional[_Iterable[str]] = ..., found: _Optional[int] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class ObstacleInspection(_message.Message):
    __slots__ = ("reason", "message", "subject")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    subject: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., subject: _Optional[str] = ...) -> None: ...
