"""The numbers that tune calls to a service: how long they wait, how much they read.

What a protocol fixes stays with its dialect.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ServiceTuning:
    """Settings of calls that no user needs; times are in seconds, sizes in bytes."""

    first_pause: float = 0.1
    """Between the first two attempts of a call."""
    last_chance: float = 1.0
    """Before the deadline: when the last attempt begins, where a pause would be longer; of a short
    deadline a tenth."""
    mismatches: int = 10
    """Times that bytes are received which do not match their tree hash: each costs traffic."""
    attempts_inside: int = 3
    """In a row that fail before a range is given up which begins inside a block: its first bytes
    cost another request then, and a line that breaks at random rarely does so as often."""
    breaks: int = 10
    """Times that an answer may break off after it made progress, which restarts its deadline: else
    one that always does would be downloaded for ever."""
    longest_retry_after: float = 1e9
    """The most that an answer can ask for as a pause; the deadline ends it long before."""
    silence: float = 5.0
    """For how long a call fails before that is worth a warning."""
    warning_interval: float = 30.0
    """Between two warnings: an outage fails hundreds of attempts."""
    watchdog_tick: float = 0.25
    """Between two looks at the deadlines."""
    idle_seconds: float = 60.0
    """After which an idle connection is given up: routers forget it sooner or later, and tell
    nobody."""

    page_limit: int = 64 << 20
    """Of a page of a listing, decoded."""
    description_limit: int = 2 << 20
    """Of the description of one vault or job, decoded. A page up to this size is parsed at once,
    which takes at most fifty times as much memory."""
    error_limit: int = 64 << 10
    """Of an error's body that are looked at, decoded."""
    piece: int = 64 << 10
    """To read of a body at a time, where only its length or its beginning is wanted."""
    measuring_seconds: float = 3.0
    """For which the first MiB of an output is read to see whether it ends where its answer says."""
    most_members: int = 1000
    """Members of a file of gzip, each of which may bring nothing."""

    most_entries: int = 500_000
    """Entries of a listing: no vault has nearly as many jobs within a day."""
    most_bytes: int = 256 << 20
    """Of all pages of a listing: they go to the disk before the last one has come."""
    fruitless_pages: int = 100
    """Pages in a row without anything new after which a listing is taken to be endless."""
    listing_deadlines: int = 5
    """Deadlines that pages of a listing may take together that bring nothing new."""
    longest_marker: int = 4096
    """Characters that fit into the line of a request."""
    window: int = 256 << 10
    """Of a large page that are decoded at a time."""
    largest_item: int = 1 << 20
    """Characters of one entry; a job has less than 2,000, with the expression of a Select job
    130,000 (Amazon Glacier Developer Guide, "Initiate Job")."""

    remembered_descriptions: int = 4096
    """Descriptions of archives that were seen with their outputs."""

    line_length: int = 300
    """Characters of a service's own words that are shown."""
    first_words: int = 80
    """Characters that are shown of a page that is not the service's."""
    page_begin: int = 2000
    """Characters of such a page in which they are looked for."""
    longest_code: int = 100
    """Characters of the code of an error."""


TUNING = ServiceTuning()
