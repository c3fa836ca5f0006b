"""Errors that know which field of the request is at fault. Imports no grpc: planners use it too."""

from __future__ import annotations

from tffreeze_server.errors import FreezeError, Reason


class FieldError(FreezeError):
    """A request with a field at fault.

    Attributes:
        field: Its path in the request, such as `spec.source.upload.files[2].name`.

    """

    def __init__(self, reason: Reason, field: str, message: str, *, subject: str = "") -> None:
        super().__init__(reason, message, subject=subject)
        self.field = field
