"""What a caller may ask of a freeze: stated once, for the client too."""

from tffreeze_common.options import FreezeOptions, ModelSource

__all__ = ["FreezeOptions", "ModelSource"]
