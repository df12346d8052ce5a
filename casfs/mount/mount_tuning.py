"""The numbers that tune a mount: how long it waits, what it remembers, what it keeps free."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MountTuning:
    """Settings of a mount that no user needs; times are in seconds, sizes in bytes."""

    ahead: int = 512
    """Read-ahead requests that the kernel may have in flight. Two stuck readers use up its default
    of 12, and then nobody gets any read-ahead."""
    window: int = 4 << 20
    """Bytes that the kernel may request ahead of a sequential reader: four requests of 1 MiB."""
    idle_threads: int = 64
    """Threads of libfuse that stay while they have nothing to do."""
    retry_seconds: float = 2.0
    """How long the kernel gets the same error when it retries a failed request."""
    caller_look_seconds: float = 0.8
    """Time between checks whether the caller of a request still lives, if the request is not
    interrupted."""

    remembered_files: int = 1 << 15
    """Files for which the attributes sent to the kernel are remembered, in up to 16 MiB. For a
    forgotten file, the kernel drops its pages."""
    versions_bytes: int = 16 << 20
    """Memory for all versions of cached pages. A file that is forgotten loses its cached pages."""
    attribute_files: int = 256
    """Files that are not open whose attributes are remembered."""
    attribute_seconds: float = 2.0
    """How long they are remembered: a program that copies them requests all of them at once."""

    end_seconds: float = 3.5
    """Time in which a mount ends, whatever stalls in it."""
    end_tick: float = 0.25
    """Time between two checks of what delays its end."""
    end_wait: float = 5.0
    """How long `casfs umount`, or a mount that fails, waits for the process to end: longer than
    that takes."""
    command_seconds: float = 10.0
    """How long `fusermount` may take."""
    pid_seconds: float = 1.5
    """How long a mount may take to say which process it is."""
    holders_look_seconds: float = 0.25
    """Time before looking for other processes that have the mount: it usually ends sooner."""
    answer_seconds: float = 10.0
    """How long a mount may take to answer."""
    longest_status: int = 1 << 20
    """Size of a mount's status, which another user may have made."""
    notify_seconds: float = 1.0
    """How long telling the service manager may take."""

    log_bytes: int = 4 << 20
    """Size at which a log file is rotated."""
    library_end_seconds: float = 1.0
    """How long to wait for the last lines that a library printed."""
    longest_line: int = 1000
    """Characters of such a line."""

    arenas: int = 2
    """Malloc arenas that all threads share."""
    largest_in_arena: int = 4 << 20
    """Size above which each allocation is mapped, and unmapped, by itself."""
    kept_in_arena: int = 32 << 20
    """Bytes that an arena may keep at its end: more than all buffers of a sequential read."""


TUNING = MountTuning()
