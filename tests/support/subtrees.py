"""Which runs have a tree hash: the definition, as an oracle for `Layout.split` and for servers."""


def is_subtree(run: range, leaves: int) -> bool:
    """Return whether a run of leaves is a node of the hash tree over `leaves` leaves."""
    width = 1
    while width < len(run):
        width *= 2
    return run.start % width == 0 and run.stop == min(run.start + width, leaves)
