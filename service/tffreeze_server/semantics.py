"""The version of what a freeze means: which bytes a model and its options become.

A cache may key a frozen graph by its model, its options and this number. So it changes whenever the bytes of any frozen
graph change, and `tests/golden_bytes.json` holds it against the bytes of many.
"""

SEMANTICS_VERSION = 1
