"""What a spec must hold, before anything is looked for or received."""

from __future__ import annotations

from tffreeze.v1 import freeze_service_pb2, model_pb2
from tffreeze_server.errors import FreezeError, Reason

SPLICE = freeze_service_pb2.DELIVERY_SPLICE

_DELIVERIES = frozenset(freeze_service_pb2.Delivery.values())


def check_freeze_spec(spec: freeze_service_pb2.FreezeSpec) -> None:
    """Check what `Freeze` is asked for.

    Raises:
        FreezeError: INVALID_OPTION with the field.

    """
    check_source_message(spec.source)
    if spec.delivery not in _DELIVERIES:
        raise _invalid("spec.delivery", f"This server knows no delivery {spec.delivery}. Ask for CONTENT.")
    if spec.delivery != SPLICE:
        return
    if spec.source.WhichOneof("place") != "upload":
        raise _invalid(
            "spec.delivery",
            "Delivery SPLICE gives ranges of the client's own files, and a model root has none. Ask for CONTENT.",
        )
    if spec.want_sha256:
        raise _invalid(
            "spec.want_sha256",
            "With delivery SPLICE the server does not see the weights: the client makes the sha256 as it writes.",
        )


def check_source_message(source: model_pb2.ModelSource) -> None:
    """Check that a model is named.

    Raises:
        FreezeError: INVALID_OPTION with the field.

    """
    if source.WhichOneof("place") is None:
        raise _invalid("spec.source", "It is not said where the model is: set `upload` or `model_root`.")
    if not source.model:
        raise _invalid("spec.source.model", "No model is named: set `source.model`.")


def _invalid(field: str, message: str) -> FreezeError:
    return FreezeError(Reason.INVALID_OPTION, message, field=field)
