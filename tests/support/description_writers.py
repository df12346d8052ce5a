"""Descriptions as the tools write them, for round trips."""

import base64
import json
from datetime import UTC, datetime


def date(seconds: int) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.year:04}{moment:%m%dT%H%M%SZ}"


def standard(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def fastglacier(path: str, seconds: int) -> str:
    return f"<m><v>4</v><p>{standard(path)}</p><lm>{date(seconds)}</lm></m>"


def fastglacier_1(path: str) -> str:
    return f"<ArchiveMetadata><Path>{standard(path)}</Path></ArchiveMetadata>"


def _mt(path: str, seconds: int) -> str:
    content = json.dumps({"filename": path, "mtime": date(seconds)}, ensure_ascii=False)
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def mt2(path: str, seconds: int) -> str:
    return f"mt2 {_mt(path, seconds)}"


def mt1(path: str, seconds: int) -> str:
    return f"mt1 {_mt(path.encode().decode('latin-1'), seconds)}"


def utf_7(text: str) -> str:
    """By RFC 2152, in its careful form; Python's own writer leaves the last `-` out."""
    written = ""
    for char in text:
        if char.isascii() and (char.isalnum() or char in "'(),-./:? "):
            written += char
        else:
            written += f"+{base64.b64encode(char.encode('utf-16-be')).decode().rstrip('=')}-"
    return written


def cloudberry(path: str, seconds: int) -> str:
    return json.dumps({"Path": utf_7(path), "UTCDateModified": date(seconds)})


def qnap(path: str) -> str:
    return json.dumps({"path": path, "type": "file"})


def glacier_rsync(path: str, seconds: int) -> str:
    return f"grsync|{path}|43|{seconds}.0|note"
