"""casfs: the job outputs of archive services as read-only files, every byte checked."""

__version__ = "0.1.0"
