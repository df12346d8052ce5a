"""More jobs at once than a listing shows again are not started."""

from casfs.restore.caps import too_many
from casfs.service.paging import MOST_LISTED


def test_jobs_that_cannot_be_listed_again_are_not_started():
    assert too_many(MOST_LISTED, MOST_LISTED) is None
    assert "--pace" in (too_many(MOST_LISTED - 1, MOST_LISTED) or "")
