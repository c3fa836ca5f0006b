from tffreeze.v1 import inspection_pb2 as _inspection_pb2
from tffreeze.v1 import model_pb2 as _model_pb2
from tffreeze.v1 import options_pb2 as _options_pb2
from tffreeze.v1 import report_pb2 as _report_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Delivery(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DELIVERY_UNSPECIFIED: _ClassVar[Delivery]
    DELIVERY_CONTENT: _ClassVar[Delivery]
    DELIVERY_SPLICE: _ClassVar[Delivery]
DELIVERY_UNSPECIFIED: Delivery
DELIVERY_CONTENT: Delivery
DELIVERY_SPLICE: Delivery

class FreezeSpec(_message.Message):
    __slots__ = ("source", "options", "delivery", "want_sha256")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    WANT_SHA256_FIELD_NUMBER: _ClassVar[int]
    source: _model_pb2.ModelSource
    options: _options_pb2.FreezeOptions
    delivery: Delivery
    want_sha256: bool
    def __init__(self, source: _Optional[_Union[_model_pb2.ModelSource, _Mapping]] = ..., options: _Optional[_Union[_options_pb2.FreezeOptions, _Mapping]] = ..., delivery: _Optional[_Union[Delivery, str]] = ..., want_sha256: bool = ...) -> None: ...

class FreezeRequest(_message.Message):
    __slots__ = ("spec", "chunk")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    spec: FreezeSpec
    chunk: _model_pb2.FileChunk
    def __init__(self, spec: _Optional[_Union[FreezeSpec, _Mapping]] = ..., chunk: _Optional[_Union[_model_pb2.FileChunk, _Mapping]] = ...) -> None: ...

class FreezeResponse(_message.Message):
    __slots__ = ("progress", "started", "content", "splice", "finished")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    SPLICE_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    progress: Progress
    started: FreezeStarted
    content: ContentChunk
    splice: SpliceSegments
    finished: FreezeFinished
    def __init__(self, progress: _Optional[_Union[Progress, _Mapping]] = ..., started: _Optional[_Union[FreezeStarted, _Mapping]] = ..., content: _Optional[_Union[ContentChunk, _Mapping]] = ..., splice: _Optional[_Union[SpliceSegments, _Mapping]] = ..., finished: _Optional[_Union[FreezeFinished, _Mapping]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("stage", "received_bytes")
    class Stage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STAGE_UNSPECIFIED: _ClassVar[Progress.Stage]
        STAGE_QUEUED: _ClassVar[Progress.Stage]
        STAGE_RECEIVING: _ClassVar[Progress.Stage]
        STAGE_PLANNING: _ClassVar[Progress.Stage]
    STAGE_UNSPECIFIED: Progress.Stage
    STAGE_QUEUED: Progress.Stage
    STAGE_RECEIVING: Progress.Stage
    STAGE_PLANNING: Progress.Stage
    STAGE_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_BYTES_FIELD_NUMBER: _ClassVar[int]
    stage: Progress.Stage
    received_bytes: int
    def __init__(self, stage: _Optional[_Union[Progress.Stage, str]] = ..., received_bytes: _Optional[int] = ...) -> None: ...

class FreezeStarted(_message.Message):
    __slots__ = ("report", "files", "total_size_bytes", "delivery")
    REPORT_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    report: _report_pb2.Report
    files: _containers.RepeatedCompositeFieldContainer[OutputFile]
    total_size_bytes: int
    delivery: Delivery
    def __init__(self, report: _Optional[_Union[_report_pb2.Report, _Mapping]] = ..., files: _Optional[_Iterable[_Union[OutputFile, _Mapping]]] = ..., total_size_bytes: _Optional[int] = ..., delivery: _Optional[_Union[Delivery, str]] = ...) -> None: ...

class OutputFile(_message.Message):
    __slots__ = ("name", "size_bytes", "crc32c")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CRC32C_FIELD_NUMBER: _ClassVar[int]
    name: str
    size_bytes: int
    crc32c: int
    def __init__(self, name: _Optional[str] = ..., size_bytes: _Optional[int] = ..., crc32c: _Optional[int] = ...) -> None: ...

class ContentChunk(_message.Message):
    __slots__ = ("file_index", "data")
    FILE_INDEX_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    file_index: int
    data: bytes
    def __init__(self, file_index: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class SpliceSegments(_message.Message):
    __slots__ = ("file_index", "segments")
    FILE_INDEX_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    file_index: int
    segments: _containers.RepeatedCompositeFieldContainer[SpliceSegment]
    def __init__(self, file_index: _Optional[int] = ..., segments: _Optional[_Iterable[_Union[SpliceSegment, _Mapping]]] = ...) -> None: ...

class SpliceSegment(_message.Message):
    __slots__ = ("literal", "range")
    LITERAL_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    literal: bytes
    range: SourceRange
    def __init__(self, literal: _Optional[bytes] = ..., range: _Optional[_Union[SourceRange, _Mapping]] = ...) -> None: ...

class SourceRange(_message.Message):
    __slots__ = ("file_index", "offset_bytes", "length_bytes", "crc32c")
    FILE_INDEX_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    LENGTH_BYTES_FIELD_NUMBER: _ClassVar[int]
    CRC32C_FIELD_NUMBER: _ClassVar[int]
    file_index: int
    offset_bytes: int
    length_bytes: int
    crc32c: int
    def __init__(self, file_index: _Optional[int] = ..., offset_bytes: _Optional[int] = ..., length_bytes: _Optional[int] = ..., crc32c: _Optional[int] = ...) -> None: ...

class FreezeFinished(_message.Message):
    __slots__ = ("sha256",)
    SHA256_FIELD_NUMBER: _ClassVar[int]
    sha256: bytes
    def __init__(self, sha256: _Optional[bytes] = ...) -> None: ...

class InspectSpec(_message.Message):
    __slots__ = ("source", "options")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    source: _model_pb2.ModelSource
    options: _options_pb2.FreezeOptions
    def __init__(self, source: _Optional[_Union[_model_pb2.ModelSource, _Mapping]] = ..., options: _Optional[_Union[_options_pb2.FreezeOptions, _Mapping]] = ...) -> None: ...

class InspectRequest(_message.Message):
    __slots__ = ("spec", "chunk")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    spec: InspectSpec
    chunk: _model_pb2.FileChunk
    def __init__(self, spec: _Optional[_Union[InspectSpec, _Mapping]] = ..., chunk: _Optional[_Union[_model_pb2.FileChunk, _Mapping]] = ...) -> None: ...

class InspectResponse(_message.Message):
    __slots__ = ("inspection",)
    INSPECTION_FIELD_NUMBER: _ClassVar[int]
    inspection: _inspection_pb2.Inspection
    def __init__(self, inspection: _Optional[_Union[_inspection_pb2.Inspection, _Mapping]] = ...) -> None: ...

class GetCapabilitiesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetCapabilitiesResponse(_message.Message):
    __slots__ = ("server_version", "limits", "deliveries", "model_roots")
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    MODEL_ROOTS_FIELD_NUMBER: _ClassVar[int]
    server_version: str
    limits: Limits
    deliveries: _containers.RepeatedScalarFieldContainer[Delivery]
    model_roots: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, server_version: _Optional[str] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., deliveries: _Optional[_Iterable[_Union[Delivery, str]]] = ..., model_roots: _Optional[_Iterable[str]] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_upload_bytes", "max_upload_files", "max_file_name_bytes", "max_chunk_bytes", "max_content_chunk_bytes", "max_result_bytes", "max_jobs_per_caller", "max_call_seconds", "max_idle_seconds", "min_bytes_per_second")
    MAX_UPLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_UPLOAD_FILES_FIELD_NUMBER: _ClassVar[int]
    MAX_FILE_NAME_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_CHUNK_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_CONTENT_CHUNK_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_RESULT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_JOBS_PER_CALLER_FIELD_NUMBER: _ClassVar[int]
    MAX_CALL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MAX_IDLE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MIN_BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    max_upload_bytes: int
    max_upload_files: int
    max_file_name_bytes: int
    max_chunk_bytes: int
    max_content_chunk_bytes: int
    max_result_bytes: int
    max_jobs_per_caller: int
    max_call_seconds: int
    max_idle_seconds: int
    min_bytes_per_second: int
    def __init__(self, max_upload_bytes: _Optional[int] = ..., max_upload_files: _Optional[int] = ..., max_file_name_bytes: _Optional[int] = ..., max_chunk_bytes: _Optional[int] = ..., max_content_chunk_bytes: _Optional[int] = ..., max_result_bytes: _Optional[int] = ..., max_jobs_per_caller: _Optional[int] = ..., max_call_seconds: _Optional[int] = ..., max_idle_seconds: _Optional[int] = ..., min_bytes_per_second: _Optional[int] = ...) -> None: ...
