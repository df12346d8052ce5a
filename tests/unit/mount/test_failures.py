"""What the kernel is told when it asks once more for what failed."""

import errno

from casfs.mount.failures import Failures

SPAN = range(4096, 8192)


def test_a_read_that_failed_is_remembered_for_a_moment() -> None:
    now = 100.0
    failures = Failures(lambda: now)
    failures.note("/a", SPAN, errno.EIO)
    failures.note("/a", range(8192, 9000), errno.ESTALE)
    assert failures.known("/a", 4096, 0.0) == errno.EIO
    assert failures.known("/a", 8191, 0.0) == errno.EIO
    assert failures.known("/a", 8192, 0.0) == errno.ESTALE
    assert failures.known("/a", 0, 0.0) is None
    assert failures.known("/b", 4096, 0.0) is None
    now += 10
    assert failures.known("/a", 4096, 0.0) is None


def test_whoever_opens_a_file_after_a_failure_asks_again() -> None:
    failures = Failures(lambda: 100.0)
    failures.note("/a", SPAN, errno.EIO)
    assert failures.known("/a", 4096, 99.0) == errno.EIO
    assert failures.known("/a", 4096, 101.0) is None


def test_a_read_of_the_version_before_says_nothing_of_the_next() -> None:
    failures = Failures(lambda: 100.0)
    failures.note(("/a", "before"), SPAN, errno.EIO)
    assert failures.known(("/a", "after"), 4096, 99.0) is None


def test_what_is_over_is_forgotten() -> None:
    now = 0.0
    failures = Failures(lambda: now)
    for number in range(100):
        now += 10
        failures.note(f"/{number}", SPAN, errno.EIO)
    assert len(failures._last) == 1
