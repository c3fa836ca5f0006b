"""The real models that end in an error, which one, and why that is right."""

from __future__ import annotations

from tffreeze_server.errors import Reason

EXPECTED_ERRORS: dict[str, tuple[Reason, str]] = {
    "cloudml_babyweight_evaluate__eval__eval": (
        Reason.REACHABLE_WRITE,
        "An evaluation signature: its outputs are the update ops of streaming metrics, which add to "
        "variables. Frozen, they could not; test_special_models freezes it with those variables denied.",
    ),
}
