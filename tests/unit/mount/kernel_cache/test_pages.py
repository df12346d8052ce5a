"""When the kernel may keep its pages of a file."""

import weakref

from casfs.mount.kernel_cache import CachedPages

MIB = 1 << 20


def opened_and_closed(pages: CachedPages, path: str, edition: str, size: int = MIB) -> bool:
    kept = pages.opened(path, edition, size)
    pages.closed(path, edition)
    return kept


def test_pages_are_kept_from_one_open_to_the_next_of_the_same_bytes() -> None:
    pages = CachedPages()
    assert [opened_and_closed(pages, "/a", "first") for _ in range(3)] == [False, True, True]
    assert [opened_and_closed(pages, "/a", "second") for _ in range(2)] == [False, True]
    # What was dropped does not come back.
    assert not opened_and_closed(pages, "/a", "first")


def test_files_are_distinguished() -> None:
    pages = CachedPages()
    assert not opened_and_closed(pages, "/a", "first")
    assert not opened_and_closed(pages, "/b", "first")
    assert opened_and_closed(pages, "/a", "first")


def test_who_still_reads_another_version_may_bring_its_pages_at_any_time() -> None:
    pages = CachedPages()
    pages.opened("/a", "first", MIB)
    assert not opened_and_closed(pages, "/a", "second")
    assert not opened_and_closed(pages, "/a", "second")
    pages.closed("/a", "first")
    # Nobody has told the kernel yet to drop what that one left.
    assert not opened_and_closed(pages, "/a", "second")
    assert opened_and_closed(pages, "/a", "second")


def test_a_file_larger_than_all_that_is_remembered_is_kept_alone() -> None:
    pages = CachedPages()
    assert not opened_and_closed(pages, "/small", "first")
    assert not opened_and_closed(pages, "/huge", "first", 1 << 50)
    assert opened_and_closed(pages, "/huge", "first", 1 << 50)
    assert not opened_and_closed(pages, "/small", "first")


def test_what_is_held_of_small_files_is_bounded_however_many_there_are() -> None:
    class Edition:
        """What is known of an output, which costs memory while it is held."""

    pages = CachedPages()
    held: weakref.WeakSet[Edition] = weakref.WeakSet()
    for number in range(30_000):
        edition = Edition()
        held.add(edition)
        assert not pages.opened(f"/{number}", edition, 1)
        pages.closed(f"/{number}", edition)
    assert 2_000 < len(held) < 6_000
    # The files that were read last keep their pages.
    assert pages.opened("/29999", edition, 1)
