"""The numbers that tune the tree: how long it waits, what it remembers, how much is a batch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TreeTuning:
    """Settings of the tree that no user needs; times are in seconds."""

    listing_patience: float = 10.0
    """How long to wait for the service if there is an old value to serve."""
    brief_listing_patience: float = 2.0
    """The same if the old value is young, or the service failed the last time."""
    listing_grace: float = 1.0
    """How long to wait beyond the deadline, so that the request itself can say why it failed."""
    ingest_patience: float = 2.0
    """How long to wait for the ingest of inventories before reporting that a name is unknown."""
    size_patience: float = 10.0
    """How long to wait for a first block that confirms a size."""
    least_size_ttl: float = 1.0
    """The least time for which a size is remembered: for the program that has just asked."""
    ingest_close_seconds: float = 1.0
    """How long a client that closes waits for the ingest to stop."""

    remembered: int = 4096
    """Vaults, jobs, sizes and names that do not exist: how many of each are kept in memory."""
    remembered_directories: int = 64
    """Directories whose names are kept in memory, for programs that walk through them."""
    shared_prefixes: int = 16384
    """Directories for which casfs remembers the common prefix of their names: inodes depend on
    it."""
    described_vaults: int = 16
    """Known vaults that are described again each time the list of all is refused."""

    walked_directories: int = 64
    """Directories whose walks are remembered."""
    walks: int = 4
    """Walks in each of them: programs that read its files one after another."""
    walk_gap: int = 8
    """Outputs that may be skipped, or opened out of order, without ending a walk."""
    walk_window: int = 32
    """The most outputs ahead of a walk that are prefetched."""

    transaction_archives: int = 5000
    """Archives per transaction: enough to make each cheap, few enough that others hardly wait."""
    query_rows: int = 1000
    """Rows that a query returns at a time; the next one continues behind the last of them."""
    removal_rows: int = 20_000
    """Rows that one transaction examines for removal."""


TUNING = TreeTuning()
