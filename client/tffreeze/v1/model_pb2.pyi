from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ModelSource(_message.Message):
    __slots__ = ("upload", "model_root", "model", "checkpoint", "saver", "op_list")
    UPLOAD_FIELD_NUMBER: _ClassVar[int]
    MODEL_ROOT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    SAVER_FIELD_NUMBER: _ClassVar[int]
    OP_LIST_FIELD_NUMBER: _ClassVar[int]
    upload: Upload
    model_root: str
    model: str
    checkpoint: str
    saver: str
    op_list: str
    def __init__(self, upload: _Optional[_Union[Upload, _Mapping]] = ..., model_root: _Optional[str] = ..., model: _Optional[str] = ..., checkpoint: _Optional[str] = ..., saver: _Optional[str] = ..., op_list: _Optional[str] = ...) -> None: ...

class Upload(_message.Message):
    __slots__ = ("files",)
    FILES_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[UploadedFile]
    def __init__(self, files: _Optional[_Iterable[_Union[UploadedFile, _Mapping]]] = ...) -> None: ...

class UploadedFile(_message.Message):
    __slots__ = ("name", "size_bytes", "absent")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ABSENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    size_bytes: int
    absent: bool
    def __init__(self, name: _Optional[str] = ..., size_bytes: _Optional[int] = ..., absent: bool = ...) -> None: ...

class FileChunk(_message.Message):
    __slots__ = ("file_index", "offset_bytes", "data")
    FILE_INDEX_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    file_index: int
    offset_bytes: int
    data: bytes
    def __init__(self, file_index: _Optional[int] = ..., offset_bytes: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class TagSet(_message.Message):
    __slots__ = ("tags",)
    TAGS_FIELD_NUMBER: _ClassVar[int]
    tags: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tags: _Optional[_Iterable[str]] = ...) -> None: ...

class Shape(_message.Message):
    __slots__ = ("sizes",)
    SIZES_FIELD_NUMBER: _ClassVar[int]
    sizes: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, sizes: _Optional[_Iterable[int]] = ...) -> None: ...
