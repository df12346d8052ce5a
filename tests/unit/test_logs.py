"""The log of casfs: a line for each thing that happened, whatever others have put into it."""

import logging
import sys
import threading

import pytest

from casfs.logs import LogFormatter, log_thread_crash
from tests.support.hostile_text import DRIVING, SECRET, TELLING

EVIL = "x\x1b[2J\nERROR forged\u202e\x9b"


@pytest.fixture
def logged():
    """What a record comes to, as text."""
    formatter = LogFormatter("%(levelname)s %(name)s: %(message)s")

    def formatted(message, *arguments, error=None, name="casfs"):
        info = (type(error), error, error.__traceback__) if error else None
        record = logging.LogRecord(name, logging.ERROR, "f", 1, message, arguments, info)
        return formatter.format(record)

    return formatted


def raised(raising):
    with pytest.raises((OSError, ValueError)) as caught:
        raising()
    return caught.value


def test_a_record_is_one_line(logged):
    assert logged("job %s: %s", EVIL, "文書 e\u0301") == (
        r"ERROR casfs: job x\x1b[2J\nERROR forged\u202e\x9b: 文書 e" + "\u0301"
    )


@pytest.mark.parametrize("text", DRIVING.values(), ids=DRIVING)
def test_it_holds_for_the_text_of_an_error_too(logged, text):
    def fail():
        raise ValueError(text)

    found = logged("bug", error=raised(fail))
    assert all(line.isprintable() for line in found.split("\n"))


def test_a_traceback_keeps_its_lines_and_no_text_in_it_looks_like_one_of_the_log(logged):
    def inner():
        raise ValueError(EVIL)

    def fail():
        try:
            inner()
        except ValueError as error:
            raise OSError(5, EVIL) from error

    first, *rest = logged("it met a bug", error=raised(fail)).split("\n")
    assert first == "ERROR casfs: it met a bug"
    assert all(line.startswith("    ") for line in rest)
    assert [line for line in rest if line.endswith("in inner")]
    assert [line for line in rest if line.endswith("in fail")]
    told = [line.strip() for line in rest if r"\x1b[2J\nERROR forged" in line]
    assert [text.partition(":")[0] for text in told] == ["ValueError", "OSError"]


@pytest.mark.parametrize("text", TELLING)
def test_no_secret_is_logged(logged, text):
    def fail():
        raise ValueError(text)

    assert SECRET not in logged("%s", text, error=raised(fail))


def test_a_header_that_cannot_be_sent_is_not_logged(logged):
    """As http.client says it, with all of the header."""
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", 1)
    connection.putrequest("GET", "/")
    error = raised(lambda: connection.putheader("X-Amz-Security-Token", f"{SECRET}\nmore"))
    assert SECRET in str(error)
    found = logged("bug", error=error)
    assert SECRET not in found
    assert "ValueError: Invalid header value ..." in found


def test_a_thread_that_dies_is_seen(caplog):
    def fail():
        raise ValueError("why")

    error = raised(fail)
    dead = threading.Thread(name="reader\x1b")
    log_thread_crash(threading.ExceptHookArgs((ValueError, error, error.__traceback__, dead)))
    (record,) = caplog.records
    assert record.levelname == "CRITICAL"
    assert "thread reader\\x1b crashed" in LogFormatter("%(message)s").format(record)
    assert sys.exc_info() == (None, None, None)
