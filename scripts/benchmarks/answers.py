"""What the origin says of its contents: jobs, inventories and WebDAV listings."""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape

DATE = "2024-06-01T08:00:00Z"
QCS = "qcs::cas:benchmark:uid/-:vaults/"
_HTTP_DATE = "Sat, 01 Jun 2024 08:00:00 GMT"
_ENTRY = """<D:response><D:href>{href}</D:href><D:propstat><D:prop>
<D:getlastmodified>{date}</D:getlastmodified>{kind}</D:prop>
<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>
"""


@dataclass(frozen=True)
class Output:
    """A job's output, which is also a plain file for other programs; `size` in bytes."""

    vault: str
    job: str
    size: int

    @property
    def file(self) -> str:
        """Path below the folder of plain files."""
        return f"{self.vault}/{self.job}"


def description(number: int) -> str:
    """Return the description of an archive, as one of four tools writes it.

    Every 200th stands in one large folder, the others 100 to a folder.
    """
    folder = f"projects/{number // 10_000:03d}/run {number // 100 % 100:02d}"
    path = f"{folder if number % 200 else 'mosaic'}/frame-{number:08d}.tif"
    match number // 100 % 4:
        case 0:
            text = base64.b64encode(path.encode()).decode()
            return f"<m><v>4</v><p>{text}</p><lm>20190412T081530Z</lm></m>"
        case 1:
            facts = json.dumps({"filename": path, "mtime": "20190412T081530Z"})
            text = base64.urlsafe_b64encode(facts.encode()).decode().rstrip("=")
            return f"mt2 {text}"
        case 2:
            return json.dumps({"Path": path, "UTCDateModified": "20190412T081530Z"})
        case _:
            return path


def inventory(vault: str, archives: Iterable[tuple[int, int, str]]) -> Iterator[str]:
    """Yield the parts of an inventory in JSON.

    Args:
        vault: its name.
        archives: number, bytes and tree hash of each.
    """
    yield f'{{"VaultQCS":"{QCS}{vault}","InventoryDate":"{DATE}","ArchiveList":['
    between = ""
    for number, size, tree_hash in archives:
        entry = {
            "ArchiveId": f"archive-job-{number:08d}",
            "ArchiveDescription": description(number),
            "CreationDate": DATE,
            "Size": size,
            "SHA256TreeHash": tree_hash,
        }
        yield between + json.dumps(entry)
        between = ","
    yield "]}"


def job(output: Output, tree_hash: str) -> dict[str, object]:
    """Return what describes the job that brought an archive, just now: outputs expire."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "Action": "ArchiveRetrieval",
        "ArchiveId": f"archive-{output.job}",
        "ArchiveSHA256TreeHash": tree_hash,
        "ArchiveSizeInBytes": output.size,
        "Bucket": None,
        "CallBackUrl": None,
        "Completed": True,
        "CompletionDate": now,
        "CreationDate": now,
        "InventoryRetrievalParameters": None,
        "InventorySizeInBytes": None,
        "JobCallBackUrl": None,
        "JobDescription": "",
        "JobId": output.job,
        "Object": None,
        "RetrievalByteRange": f"0-{output.size - 1}",
        "SHA256TreeHash": tree_hash,
        "StatusCode": "Succeeded",
        "StatusMessage": "Succeeded",
        "Tier": "Standard",
        "VaultQCS": f"{QCS}{output.vault}",
    }


def inventory_job(output: Output, tree_hash: str) -> dict[str, object]:
    """Return what describes the job that brought an inventory."""
    return job(output, tree_hash) | {
        "Action": "InventoryRetrieval",
        "ArchiveId": None,
        "ArchiveSHA256TreeHash": None,
        "ArchiveSizeInBytes": None,
        "InventorySizeInBytes": output.size,
        "InventoryRetrievalParameters": {"Format": "JSON"},
        "RetrievalByteRange": None,
        "SHA256TreeHash": None,
    }


def vault(name: str) -> dict[str, object]:
    """Return what describes a vault."""
    return {
        "CreationDate": DATE,
        "LastInventoryDate": None,
        "NumberOfArchives": None,
        "SizeInBytes": None,
        "VaultName": name,
        "VaultQCS": f"{QCS}{name}",
    }


def webdav_listing(folders: Iterable[str], files: Iterable[tuple[str, int]] = ()) -> str:
    """Return the answer to PROPFIND.

    Args:
        folders: paths, the one that is listed first.
        files: path and bytes of each.
    """
    entries = [_entry(path, "<D:collection/>", "") for path in folders]
    sizes = "<D:getcontentlength>{}</D:getcontentlength>"
    entries += [_entry(path, "", sizes.format(size)) for path, size in files]
    text = "".join(entries)
    return f'<?xml version="1.0"?>\n<D:multistatus xmlns:D="DAV:">\n{text}</D:multistatus>\n'


def _entry(path: str, kind: str, size: str) -> str:
    told = f"{size}<D:resourcetype>{kind}</D:resourcetype>"
    return _ENTRY.format(href=escape(path), date=_HTTP_DATE, kind=told)
