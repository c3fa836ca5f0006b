from tffreeze.v1 import model_pb2 as _model_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Report(_message.Message):
    __slots__ = ("kind", "tags", "signature_keys", "inputs", "outputs", "variables", "kept_variables", "initializers", "dropped", "warnings", "nodes", "functions", "size_bytes", "weights_bytes", "crc32c")
    KIND_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_KEYS_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    KEPT_VARIABLES_FIELD_NUMBER: _ClassVar[int]
    INITIALIZERS_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    FUNCTIONS_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_BYTES_FIELD_NUMBER: _ClassVar[int]
    CRC32C_FIELD_NUMBER: _ClassVar[int]
    kind: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    signature_keys: _containers.RepeatedScalarFieldContainer[str]
    inputs: _containers.RepeatedCompositeFieldContainer[TensorReport]
    outputs: _containers.RepeatedCompositeFieldContainer[TensorReport]
    variables: _containers.RepeatedCompositeFieldContainer[VariableReport]
    kept_variables: _containers.RepeatedScalarFieldContainer[str]
    initializers: _containers.RepeatedCompositeFieldContainer[InitializerReport]
    dropped: DroppedReport
    warnings: _containers.RepeatedCompositeFieldContainer[WarningReport]
    nodes: int
    functions: int
    size_bytes: int
    weights_bytes: int
    crc32c: str
    def __init__(self, kind: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., signature_keys: _Optional[_Iterable[str]] = ..., inputs: _Optional[_Iterable[_Union[TensorReport, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[TensorReport, _Mapping]]] = ..., variables: _Optional[_Iterable[_Union[VariableReport, _Mapping]]] = ..., kept_variables: _Optional[_Iterable[str]] = ..., initializers: _Optional[_Iterable[_Union[InitializerReport, _Mapping]]] = ..., dropped: _Optional[_Union[DroppedReport, _Mapping]] = ..., warnings: _Optional[_Iterable[_Union[WarningReport, _Mapping]]] = ..., nodes: _Optional[int] = ..., functions: _Optional[int] = ..., size_bytes: _Optional[int] = ..., weights_bytes: _Optional[int] = ..., crc32c: _Optional[str] = ...) -> None: ...

class TensorReport(_message.Message):
    __slots__ = ("signature_key", "key", "original", "tensor", "dtype", "shape")
    SIGNATURE_KEY_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    ORIGINAL_FIELD_NUMBER: _ClassVar[int]
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    signature_key: str
    key: str
    original: str
    tensor: str
    dtype: str
    shape: _model_pb2.Shape
    def __init__(self, signature_key: _Optional[str] = ..., key: _Optional[str] = ..., original: _Optional[str] = ..., tensor: _Optional[str] = ..., dtype: _Optional[str] = ..., shape: _Optional[_Union[_model_pb2.Shape, _Mapping]] = ...) -> None: ...

class VariableReport(_message.Message):
    __slots__ = ("name", "node", "key", "source", "dtype", "shape", "size_bytes", "shards")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    node: str
    key: str
    source: str
    dtype: str
    shape: _model_pb2.Shape
    size_bytes: int
    shards: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., node: _Optional[str] = ..., key: _Optional[str] = ..., source: _Optional[str] = ..., dtype: _Optional[str] = ..., shape: _Optional[_Union[_model_pb2.Shape, _Mapping]] = ..., size_bytes: _Optional[int] = ..., shards: _Optional[_Iterable[str]] = ...) -> None: ...

class InitializerReport(_message.Message):
    __slots__ = ("op", "table", "asset")
    OP_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    op: str
    table: str
    asset: str
    def __init__(self, op: _Optional[str] = ..., table: _Optional[str] = ..., asset: _Optional[str] = ...) -> None: ...

class WarningReport(_message.Message):
    __slots__ = ("code", "message", "subject")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    subject: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., subject: _Optional[str] = ...) -> None: ...

class DroppedReport(_message.Message):
    __slots__ = ("nodes", "functions", "variables", "checkpoint_keys", "side_effects")
    NODES_FIELD_NUMBER: _ClassVar[int]
    FUNCTIONS_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_KEYS_FIELD_NUMBER: _ClassVar[int]
    SIDE_EFFECTS_FIELD_NUMBER: _ClassVar[int]
    nodes: int
    functions: int
    variables: _containers.RepeatedScalarFieldContainer[str]
    checkpoint_keys: _containers.RepeatedScalarFieldContainer[str]
    side_effects: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, nodes: _Optional[int] = ..., functions: _Optional[int] = ..., variables: _Optional[_Iterable[str]] = ..., checkpoint_keys: _Optional[_Iterable[str]] = ..., side_effects: _Optional[_Iterable[str]] = ...) -> None: ...
