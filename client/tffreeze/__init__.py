"""Freeze TensorFlow models: graph and checkpoint in, one frozen GraphDef out."""

from tffreeze._version import __version__ as __version__
