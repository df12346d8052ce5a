"""Limits of bandwidth as rclone writes them (rclone documentation, `--bwlimit`).

    10M                                     10 MiB a second, at any time
    512                                     a number alone means KiB
    off, 0                                  no limit
    10M:1M                                  upload:download; casfs only downloads
    08:00,512K 12:00,10M 23:00,off          from these times on, every day
    Mon-08:00,512K Fri-18:00,off            or only on some days of the week

Times are those of this machine's zone. A slot holds until the next one, over midnight and the end
of the week.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from casfs.errors import ConfigError

LEAST = 4096.0
"""Bytes a second: with fewer, blocks that several connections receive would come too slowly to be
told from connections that are dead."""
_MOST = float(1 << 60)

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY_MINUTES = 24 * 60
_RATE = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([kmgtp]i?b?|b)?", re.IGNORECASE)
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_EXAMPLES = '10M, off, or "08:00,512K 12:00,10M 23:00,off"'


@dataclass(frozen=True, slots=True)
class BandwidthLimit:
    """A limit that may change with the time of the week.

    Attributes:
        slots: minutes since Monday 00:00, ascending, and the bytes a second from then on; None is
            no limit. There is at least one.
        text: as it was written.
    """

    slots: tuple[tuple[int, float | None], ...]
    text: str

    def at(self, local: datetime) -> float | None:
        """Return the limit at a time of this machine's zone: bytes a second, None for no limit."""
        minute = local.weekday() * _DAY_MINUTES + local.hour * 60 + local.minute
        # Before the first slot of the week, that of the week before still holds.
        current = self.slots[-1][1]
        for begin, rate in self.slots:
            if begin > minute:
                break
            current = rate
        return current

    @property
    def is_off(self) -> bool:
        """Return whether there is never a limit."""
        return all(rate is None for _, rate in self.slots)


def parse_bandwidth(text: str, name: str) -> BandwidthLimit:
    """Return the limit that a text describes.

    Raises:
        ConfigError: it describes none; the message names the setting `name`.
    """
    stripped = text.strip()
    if not stripped:
        raise ConfigError(f"{name} must be a limit such as {_EXAMPLES}, not an empty text")
    if "," not in stripped and len(stripped.split()) == 1:
        return BandwidthLimit(((0, _rate(stripped, name)),), stripped)
    slots: dict[int, float | None] = {}
    for slot in stripped.split():
        when, comma, limit = slot.partition(",")
        if not comma:
            raise _error(name, slot, "a slot is a time, a comma and a limit")
        rate = _rate(limit, name)
        slots.update(dict.fromkeys(_minutes(when, slot, name), rate))
    return BandwidthLimit(tuple(sorted(slots.items())), stripped)


def _minutes(when: str, slot: str, name: str) -> list[int]:
    """Return when a slot begins: once a week, or every day."""
    day, dash, time = when.rpartition("-")
    match = _TIME.fullmatch(time)
    if match is None:
        raise _error(name, slot, "its time must be HH:MM, from 00:00 to 23:59")
    minute = 60 * int(match[1]) + int(match[2])
    if not dash:
        return [number * _DAY_MINUTES + minute for number in range(7)]
    named = [n for n, one in enumerate(_DAYS) if day.lower() in (one, one[:3])]
    if not named:
        raise _error(name, slot, "its day must be one of Mon, Tue, Wed, Thu, Fri, Sat, Sun")
    return [named[0] * _DAY_MINUTES + minute]


def _rate(text: str, name: str) -> float | None:
    """Return a limit of downloads in bytes a second, None if there is none."""
    parts = text.split(":")
    if len(parts) > 2:
        raise _error(name, text, "there are at most two limits, upload:download")
    rates = [_one_rate(part, text, name) for part in parts]
    return rates[-1]


def _one_rate(part: str, text: str, name: str) -> float | None:
    if part.lower() == "off":
        return None
    match = _RATE.fullmatch(part)
    if match is None:
        raise _error(name, text, "a limit is a number with K, M, G or T, or off")
    unit = (match[2] or "k").lower()[0]
    rate = float(match[1]) * 1024.0 ** "bkmgtp".index(unit)
    if not rate:
        return None
    if rate > _MOST:
        raise _error(name, text, "that is more than any network has")
    if rate < LEAST:
        raise _error(name, text, "less than 4K cannot be told from a dead connection")
    return rate


def _error(name: str, text: str, why: str) -> ConfigError:
    return ConfigError(f"{name}: {text!r} is not a limit: {why}; write it as {_EXAMPLES}")
