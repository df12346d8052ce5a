"""The numbers that tune calls to a service: how long they wait, how much they read.

What a protocol fixes stays with its dialect.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ServiceTuning:
    """Settings of calls that no user needs; times are in seconds, sizes in bytes."""

    first_pause: float = 0.1
    """Pause between the first two attempts of a call."""
    doublings: int = 16
    """How often a pause doubles at most; the longest one is a setting."""
    most_patience: int = 4
    """How many times `read_timeout` an attempt waits for its first byte at most, after others have
    waited in vain."""
    last_chance: float = 1.0
    """How long before the deadline the last attempt begins, if a pause would be longer. For a short
    deadline, a tenth of it."""
    mismatches: int = 10
    """Mismatches of bytes with their tree hash after which a call is given up: each costs
    traffic."""
    attempts_inside: int = 3
    """Failed attempts in a row after which a range that begins inside a block is given up: its
    first bytes then cost another request. A line that breaks at random rarely fails so often."""
    inside_seconds: float = 1.0
    """How long they must fail for that: a server that restarts is back by then."""
    breaks: int = 10
    """Times that an answer may break off after it made progress, which restarts its deadline: an
    answer that always does would otherwise be downloaded for ever."""
    longest_retry_after: float = 1e9
    """The longest pause that an answer can ask for; the deadline ends it long before."""
    silence: float = 5.0
    """How long a call must fail before casfs warns."""
    warning_interval: float = 30.0
    """Time between two warnings: an outage fails hundreds of attempts."""
    watchdog_tick: float = 0.25
    """Time between two checks of the deadlines."""
    idle_seconds: float = 60.0
    """Time after which an idle connection is closed: routers forget it sooner or later, without
    telling anybody."""

    page_limit: int = 64 << 20
    """Size of a page of a listing, decoded."""
    description_limit: int = 2 << 20
    """Size of the description of one vault or job, decoded. A page up to this size is parsed at
    once, which takes at most fifty times as much memory."""
    error_limit: int = 64 << 10
    """Bytes of an error's body that are examined, decoded."""
    piece: int = 64 << 10
    """Bytes of a body to read at a time, if only its length or its beginning is wanted."""
    measuring_seconds: float = 3.0
    """How long to read the first MiB of an output, to see whether it ends where its answer says."""
    most_members: int = 1000
    """Members of a gzip file, each of which may be empty."""

    most_entries: int = 500_000
    """Entries of a listing: no vault has nearly as many jobs within a day."""
    most_bytes: int = 256 << 20
    """Size of all pages of a listing: they are written to disk before the last one has arrived."""
    fruitless_pages: int = 100
    """Pages in a row without anything new after which a listing counts as endless."""
    listing_deadlines: int = 5
    """Deadlines that pages without anything new may take together."""
    longest_marker: int = 4096
    """Characters that fit into the line of a request."""
    window: int = 256 << 10
    """Bytes of a large page to decode at a time."""
    largest_item: int = 1 << 20
    """Characters of one entry; a job has less than 2,000, with the expression of a Select job
    130,000 (Amazon Glacier Developer Guide, "Initiate Job")."""

    remembered_descriptions: int = 4096
    """Descriptions of archives that were received with their outputs."""

    line_length: int = 300
    """Characters of a service's own words that are shown."""
    first_words: int = 80
    """Characters that are shown of a page that is not the service's."""
    page_begin: int = 2000
    """Characters of such a page that are searched for them."""
    longest_code: int = 100
    """Characters of an error code."""


TUNING = ServiceTuning()
