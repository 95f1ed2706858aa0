"""The version, read by the build and shown in files."""

__version__ = "0.1.0"
