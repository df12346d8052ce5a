"""Calls the URLs of jobs that are complete."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import aiohttp

_log = logging.getLogger(__name__)

_INTERVAL = 0.5
"""Seconds between two looks for jobs that have completed."""
_SECONDS = 5.0
"""How long a call may take."""

Find = Callable[[float], Awaitable[tuple[list[tuple[str, bytes]], float]]]
"""Unix time -> the calls for jobs that completed since then, and the time up to which they are all
of them."""


async def notify(find: Find) -> None:
    """Call the URL of each job that completes from now on, once, until this is canceled."""
    since = time.time()
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
        while True:
            calls, since = await find(since)
            await asyncio.gather(*(_call(session, url, body) for url, body in calls))
            await asyncio.sleep(_INTERVAL)


async def _call(session: aiohttp.ClientSession, url: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    try:
        async with session.post(url, data=body, headers=headers) as answer:
            await answer.read()
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        _log.warning("calling %s failed: %s", url, error)
