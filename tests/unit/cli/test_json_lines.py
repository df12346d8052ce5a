"""The schemas refuse what the documentation does not promise."""

import pytest
from jsonschema import ValidationError

from casfs.cli.json_lines import JsonLines
from tests.support.schemas import validator

NOW = "2026-11-29T12:00:00+00:00"
HEAD = {"time": NOW, "vault": "photos", "run": None}


@pytest.mark.parametrize(
    "message",
    [
        {"message_type": "warning", "message": "so it is"},
        {"message_type": "exit_error", "code": 75, "message": "not finished"},
        {"message_type": "status", "phase": "waiting", "jobs_running": 3, "eta": NOW},
        {"message_type": "request", "state": "started", "archive": "a", "job": "j", "last": -1},
        {"message_type": "of a later version", "anything": 1},
    ],
)
def test_what_is_documented_is_valid(message):
    validator("lines").validate(HEAD | message)


@pytest.mark.parametrize(
    "message",
    [
        {"message_type": "warning"},
        {"message_type": "exit_error", "code": 7, "message": "so it is"},
        {"message_type": "status", "phase": "waiting", "eta": "tomorrow"},
        {"message_type": "status", "phase": "waiting", "jobs_running": -1},
        {"message_type": "request", "state": "started", "archive": "a"},
        {"message_type": "archive", "archive": "a", "job": "j", "state": 1, "reason": None},
        {},
    ],
)
def test_what_is_not_documented_is_not_valid(message):
    with pytest.raises(ValidationError):
        validator("lines").validate(HEAD | message)


def test_a_request_has_all_its_fields():
    request = {"state": "started", "time": NOW, "tier": "bulk", "job": "j"} | {
        "cost": "0.06",
        "currency": "CNY",
        "reason": None,
    }
    validator("requests").validate(request)
    validator("requests").validate(None)
    for name in request:
        with pytest.raises(ValidationError):
            validator("requests").validate({k: v for k, v in request.items() if k != name})


def test_a_line_cannot_drive_a_terminal(capsys):
    JsonLines(True, "photos\x1b[2J").show("warning", message="a\nb\u202e")
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert out.isprintable() is False  # its end is a line break
    assert out.rstrip("\n").isprintable()
