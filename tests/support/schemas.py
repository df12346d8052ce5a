"""What commands print as JSON is what the schemas say that ship with casfs."""

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import jsonschema


def validator(name: str) -> Any:
    """The validator of a schema, such as `lines`."""
    text = (files("casfs") / "schemas" / f"{name}.schema.json").read_text()
    schema = json.loads(text)
    kind = jsonschema.Draft202012Validator
    kind.check_schema(schema)
    return kind(schema)


def checked_lines(output: bytes | str) -> Sequence[dict[str, Any]]:
    """The lines of JSON that a command printed, each as the schema says."""
    check = validator("lines")
    found = [json.loads(line) for line in output.splitlines()]
    for line in found:
        check.validate(line)
    return found
