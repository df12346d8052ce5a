"""The numbers that tune how blocks come and stay: GETs, prefetch, memory, disk, eviction.

What is written to disk (sizes of pages, numbers of files in a directory) stays with its format.
"""

from dataclasses import dataclass

from casfs.ranges import BLOCK_SIZE


@dataclass(frozen=True)
class BlockTuning:
    """Settings of blocks that no user needs; times are in seconds, sizes in bytes."""

    # GETs
    largest_get: int = 8
    """The most blocks of one GET: enough that latency hardly counts, and few enough that the GETs
    in flight, which stay in memory until their hash is known, are small."""
    get_seconds: float = 10.0
    """A GET is made smaller if it would take longer than this, or than a quarter of its
    deadline."""
    slow_seconds: float = 1.0
    """Time for a block above which a connection counts as slow."""
    least_width: int = 2
    """The least prefetch GETs to have under way: while one ends and the next begins, another one
    receives bytes."""
    most_workers: int = 6
    """The most processors that can usefully work at GETs: beyond that, the interpreter lock is the
    limit."""
    crowded: float = 1.2
    """GETs with bytes at hand, per processor, above which there are too many of them."""
    idle: float = 0.7
    """GETs with bytes at hand, per processor, below which there are too few of them."""
    width_step_seconds: float = 0.5
    """Total duration of the GETs that are observed before their number changes by a step."""
    width_known_seconds: float = 10.0
    """How long a learned number of GETs is used: the line may have changed by then."""
    speed_half_life: float = 1.0
    """Time after which a measured speed counts half."""
    speed_known_seconds: float = 60.0
    """Time after which a measured speed no longer counts, and the next GETs start small."""
    well: int = 8
    """GETs in a row that must succeed before larger ones are tried."""
    well_most: int = 256
    """The most of them, if larger GETs broke off each time that they were tried."""
    lag_factor: float = 8.0
    """How many times faster the other connections must be for one to be replaced by a new one."""
    lag_seconds: float = 10.0
    """How long a connection is compared with the others before it is replaced."""
    lag_pause_seconds: float = 600.0
    """How long no connection is replaced after a new one was as slow as the one before."""
    late_seconds: float = 1.0
    """A look at the GETs in flight that is later than this tells nothing of their speed: the
    process may have been stopped."""
    overlap: int = 4
    """Connections for which one more request is sent, while the bodies of others arrive."""
    reserve_connections: int = 4
    """Connections for which one more GET is allowed, if somebody waits for its bytes."""
    mismatches: int = 10
    """Mismatches after which a run is given up: each costs traffic."""
    least_kept: int = 32 << 10
    """The least bytes that an answer that broke off must have brought for the rest to be requested
    without a pause: the request takes time, and a service may charge for it."""
    recounted: int = 10
    """How many answers to one request may break off before bytes that arrive again no longer count
    as progress."""

    # progress
    stalled_seconds: float = 0.5
    """Time without progress after which a GET counts as stalled."""
    stall_tick: float = 0.1
    """Time between two checks for stalled GETs."""
    lent_most: int = 128
    """The most threads that are added for stalled tasks."""
    lent_each: int = 2
    """An owner with as many tasks under way gets none of the added threads."""
    least_rate: int = 256
    """Bytes per second, over the whole deadline, that count as progress: at less, a block would
    take more than an hour."""
    note_seconds: float = 1.0
    """How long bytes are counted before they tell how fast the line is."""

    # prefetch
    streams_each: int = 2
    """Streams per reader."""
    streams_most: int = 128
    """Streams in all: more than there are blocks in memory. Each read searches them one by one."""
    growth: int = 16
    """Bytes of prefetch budget per byte read: enough that all connections are busy once the kernel
    has requested its own window of 4 MiB, and so few that reading the first kilobytes of a file
    costs one block."""
    slack: int = BLOCK_SIZE
    """Distance by which a read may miss the end of a stream and still belong to it. It is larger
    when more is prefetched, because readers that share a stream are not in step."""
    idle_stream: float = 30.0
    """Time after which a stream without prefetch loses its share."""

    # memory
    region_blocks: int = 8
    """Blocks for which memory is allocated at a time."""
    end_bytes: int = 12 << 10
    """Memory charged with the last block of an output: it may be all that keeps the state of the
    output in memory."""
    stay: int = 12
    """Divisor: of the blocks in memory, the most recently read twelfth stays."""
    derived_blocks: int = 4
    """Blocks of a derived file in memory: the kernel may request them in smaller pieces, a few at
    the same time."""
    derived_memory: int = 64 << 20
    """Memory for all derived files, if the disk fails."""
    derived_largest: int = 32 << 20
    """Memory for one derived file, if the disk fails."""
    held_largest: int = 8 << 20
    """Memory for an output that is begun although the disk has too little room for it."""
    held_total: int = 32 << 20
    """Memory for all such outputs."""

    # the disk
    openings: int = 4
    """Attempts to open an output that is rejected meanwhile: what was wrong is forgotten by
    then."""
    disk_threads: int = 2
    """Threads that read."""
    writers: int = 2
    """Threads that write: while the disk writes one block, the file of the next one is created."""
    queue_blocks: int = 8
    """Blocks that may wait to be written."""
    write_patience: float = 2.0
    """How long to wait for room in that queue before the disk counts as slow."""
    close_seconds: float = 2.5
    """Time to write what is queued when the client closes; what is dropped is fetched again."""
    piece: int = 1 << 20
    """Bytes to copy at a time."""
    read_pages: int = 32
    """Pages of leaves to read at a time."""
    directory_tries: int = 20
    """Attempts to place a file in a directory that the eviction of another process may remove when
    it is empty."""
    confirm_seconds: float = 0.1
    """Time between checks whether the cache directory is still the one that was verified."""
    abandoned_seconds: float = 7 * 86400
    """Time after which a file of a process that cannot be seen from here counts as abandoned."""
    lock_tries: int = 6
    """Attempts to lock the directory of an output."""
    lock_pause: float = 0.02
    """Time between these attempts: eviction holds a lock no longer than it takes to remove an empty
    directory. Clearing the cache takes longer; then a new directory is created and locked."""

    # eviction
    kept_part: float = 0.9
    """Part of the limit that eviction leaves, so that not every block causes one."""
    reserve: int = 256 << 20
    """Space to keep free on the disk."""
    reserve_part: float = 0.02
    """Space to keep free on a small disk, as a part of it."""
    step: int = 64 << 20
    """Bytes to evict at a time on a full disk: as many may be written before the cache is scanned
    again."""
    step_part: int = 10
    """Divisor: this part of a small cache is evicted at a time."""
    look_part: int = 16
    """Divisor: this part of the free space may be written before the disk is checked again, because
    others use it, too; but never more than a step."""
    used_ahead: float = 3600.0
    """How far in the future the last use of a block may seem to be, as on a disk from another
    machine. Beyond that, the clock was wrong: nobody knows when the block was used, and it must not
    stay for ever."""
    unused_seconds: float = 7 * 86400
    """Age at which leaves without a block are removed; the output of their job is gone by then."""


TUNING = BlockTuning()
