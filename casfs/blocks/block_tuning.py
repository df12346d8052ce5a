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
    """Blocks of one GET at most: long enough that latency hardly counts, short enough that several
    of them, which stay in memory until their hash is known, are small."""
    get_seconds: float = 10.0
    """A GET is made smaller when it would take longer, or longer than a quarter of its deadline."""
    slow_seconds: float = 1.0
    """For a block, above which a connection counts as slow."""
    least_width: int = 2
    """GETs for later under way at least: while one ends and the next begins, another brings
    bytes."""
    most_workers: int = 6
    """Processors that can work at GETs: with more of them, the interpreter lock is what limits."""
    crowded: float = 1.2
    """GETs that have bytes at hand, for each processor, above which there are too many of them."""
    idle: float = 0.7
    """The same, below which there are too few."""
    width_step_seconds: float = 0.5
    """Of GETs, together, that are looked at before their number is changed by a step."""
    width_known_seconds: float = 10.0
    """What was learned is ignored after this long: the line may have become another."""
    speed_half_life: float = 1.0
    """After which what was measured counts half."""
    speed_known_seconds: float = 60.0
    """After which it counts no more, and the next GETs are small at first."""
    well: int = 8
    """GETs in a row that end well before larger ones are tried."""
    overlap: int = 4
    """One request more for so many connections, to be sent while the bodies of others come."""
    reserve_connections: int = 4
    """One GET more for so many connections, of what somebody waits for."""
    mismatches: int = 10
    """Times that what came does not match before a run is given up: each costs traffic."""
    least_kept: int = 32 << 10
    """Of a block that an answer must bring for them to be kept when it breaks off: the request for
    the rest takes time, and a service may charge for it."""

    # progress
    stalled_seconds: float = 0.5
    """Without progress, after which a GET counts as stalled."""
    stall_tick: float = 0.1
    """Between two looks for GETs that stall."""
    lent_most: int = 128
    """Threads that are added at most for tasks that stall."""
    lent_each: int = 2
    """Tasks that an owner may have under way at most to get one of those threads."""
    least_rate: int = 256
    """A second, over the whole deadline, that count as progress: what brings less would take more
    than an hour for each block."""
    note_seconds: float = 1.0
    """For which bytes are counted before they tell how fast the line is."""

    # prefetch
    streams_each: int = 2
    """Streams of a reader."""
    streams_most: int = 128
    """In all: more places than the memory has blocks for. Each read looks through them one by
    one."""
    growth: int = 16
    """So much that all connections are busy once the kernel has asked for its own window of 4 MiB,
    and so little that who reads the first kilobytes of a file pays for one block."""
    slack: int = BLOCK_SIZE
    """By which a read may miss the end of a stream and still belong to it; more when more is
    prefetched for it, since readers that share a stream are not in step."""
    idle_stream: float = 30.0
    """After which a stream for which nothing was prefetched has no share any more."""

    # memory
    region_blocks: int = 8
    """Blocks for which memory is asked for at a time."""
    end_bytes: int = 12 << 10
    """That go with a block that ends an output: it may be the only one in memory that keeps what
    is known of it."""
    stay: int = 12
    """The part of the blocks, a twelfth, of which those that were read last stay."""
    derived_blocks: int = 4
    """Blocks of a derived file in memory: the kernel may ask for them in smaller pieces, a few at
    the same time."""
    derived_memory: int = 64 << 20
    """Of derived files in memory, together, where the disk fails."""
    derived_largest: int = 32 << 20
    """Of one of them."""
    held_largest: int = 8 << 20
    """Of an output that is begun though the disk has too little room for it."""
    held_total: int = 32 << 20
    """That such outputs may take at a time."""

    # the disk
    openings: int = 4
    """Times that an output is opened that is refused meanwhile: what was wrong is forgotten by
    then."""
    disk_threads: int = 2
    """Threads that read."""
    writers: int = 2
    """Threads that write: while the disk is at one block, the next one's file is made."""
    queue_blocks: int = 8
    """Blocks that wait to be written."""
    write_patience: float = 2.0
    """To wait for room among them before the disk counts as slow."""
    close_seconds: float = 2.5
    """To write what is queued, when the client closes; what is dropped is fetched again."""
    piece: int = 1 << 20
    """To copy at a time."""
    read_pages: int = 32
    """Pages of leaves that are read at a time."""
    directory_tries: int = 20
    """To place a file in a directory that eviction in another process may remove when it is
    empty."""
    confirm_seconds: float = 0.1
    """Between looks at whether the cache directory is still the one that was checked."""
    abandoned_seconds: float = 7 * 86400
    """After which a file is no longer in use whose process cannot be seen from here."""
    lock_tries: int = 6
    """To lock the directory of an output."""
    lock_pause: float = 0.02
    """Before another try: who evicts holds a lock no longer than it takes to remove an empty
    directory. Who clears the cache takes longer; then a new directory is made, and locked."""

    # eviction
    kept_part: float = 0.9
    """Part of the limit that is left after eviction, so that not every block causes one."""
    reserve: int = 256 << 20
    """To keep free on the disk."""
    reserve_part: float = 0.02
    """The same of a small disk, as a part of it."""
    step: int = 64 << 20
    """To evict at a time on a full disk: as many may be written before the cache is looked through
    again."""
    step_part: int = 10
    """The same of a small cache, which is divided by this."""
    look_part: int = 16
    """Part of the free space that may be written before the disk is looked at again, others use it
    too; never more than a step."""
    used_ahead: float = 3600.0
    """By which a block may seem to be used in the future, as on another machine's disk. Farther
    ahead, the clock was wrong: nobody knows when it was used, and it must not stay for ever."""
    unused_seconds: float = 7 * 86400
    """After which leaves without a block go; their job's output is gone by then."""


TUNING = BlockTuning()
