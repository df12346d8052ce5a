"""What to fetch next: pure policy, fed with what was read; no threads, no I/O.

A reader keeps two streams, so that two places of one file can be read in turns. A read that goes
on where a stream stands (requests of the kernel arrive out of order, so "near" is enough) makes
the stream longer, and a stream of which L bytes were read is worth fetching 16 L ahead, up to a
limit. A read that goes on nowhere starts a stream of its own and fetches nothing ahead.
"""

from casfs.ranges import BLOCK_SIZE, Layout

_STREAMS = 2
_GROWTH = 16
"""So much that all connections are busy once the kernel has asked for its own window of 4 MiB, and
so little that who reads the first kilobytes of a file pays for one block."""
_SLACK = BLOCK_SIZE
"""Bytes by which a read may miss the end of a stream and still belong to it."""


class _Stream:
    """A place at which a file is being read: `size` of bytes [start, end), in so many `reads`.

    What comes next is fetched up to block `ahead`.
    """

    __slots__ = ("ahead", "end", "reads", "size", "start")

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self.ahead = -(-end // BLOCK_SIZE)
        self.reads = 1
        self.size = end - start


class ReadAhead:
    """The windows of one reader."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._streams: list[_Stream] = []

    def after(self, offset: int, size: int, limit: int, step: int) -> range:
        """Return the run to fetch ahead, now that `size` bytes at `offset` are being read.

        Args:
            offset: first byte that is read.
            size: bytes that are read.
            limit: blocks to be ahead at most.
            step: blocks of the largest GET; a long window grows by whole steps.
        """
        end = min(offset + size, self._layout.size)
        stream = self._find(offset, end)
        if stream.reads < 2 or end < stream.end:
            return range(0)
        length = min(_GROWTH * stream.size, limit * BLOCK_SIZE)
        stop = min(-(-(stream.end + length) // BLOCK_SIZE), self._layout.blocks)
        if length >= 2 * step * BLOCK_SIZE and stop < self._layout.blocks:
            stop -= stop % step
        start = max(stream.ahead, -(-stream.end // BLOCK_SIZE))
        stream.ahead = max(stream.ahead, stop)
        return range(start, max(start, stop))

    def missed(self, block: int) -> None:
        """Note that a block was not there when it was read: ask for what follows it anew."""
        for stream in self._streams:
            if stream.start <= block * BLOCK_SIZE < stream.end:
                stream.ahead = min(stream.ahead, block + 1)

    def _find(self, offset: int, end: int) -> _Stream:
        for stream in self._streams:
            if stream.end - _SLACK - (end - offset) <= offset <= stream.end + _SLACK:
                stream.reads += 1
                stream.size += end - offset
                stream.end = max(stream.end, end)
                self._streams.remove(stream)
                break
        else:
            stream = _Stream(offset, end)
        self._streams.insert(0, stream)
        del self._streams[_STREAMS:]
        return stream
