"""casfs: the job outputs of archive services as read-only files, every byte checked."""

from importlib.metadata import version

__version__ = version("casfs")
