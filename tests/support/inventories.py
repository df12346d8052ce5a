"""A service with inventory jobs whose outputs a test decides."""

import json
import threading

from casfs.client import Client
from casfs.config import Config
from casfs.credentials import Credentials
from tests.support.emulator.running import KEY_ID, SECRET
from tests.support.server import Answer

VAULT = "qcs:id/0:cas:ap-chengdu:uid/1:vaults/照片"


class InventoryService:
    """Answers for vault `v` with an inventory job for each output, by its id.

    Attributes:
        outputs: the bytes of each job.
        open: set while outputs are answered; cleared, they are held back.
        asked: set once an output was asked for.
        gone: no job is known any more.
    """

    def __init__(self, outputs):
        self.outputs = outputs
        self.open = threading.Event()
        self.open.set()
        self.asked = threading.Event()
        self.gone = False

    def __call__(self, request, wire):
        *_, before, last = request.path.split("/")
        if last == "output":
            self.asked.set()
            assert self.open.wait(60)
            first, end = request.span
            data = self.outputs[before]
            end = min(end, len(data))
            headers = {"Content-Range": f"bytes {first}-{end - 1}/{len(data)}"}
            return Answer(206, data[first:end], headers)
        if last == "jobs":
            jobs = [] if self.gone else [self._job(job) for job in self.outputs]
            return Answer(body=json.dumps({"JobList": jobs}).encode())
        if before == "jobs" and not self.gone and last in self.outputs:
            return Answer(body=json.dumps(self._job(last)).encode())
        if before == "jobs":
            return Answer(404, b'{"code": "ResourceNotFoundException", "message": "gone"}')
        vault = {"VaultName": "v", "VaultQCS": VAULT}
        return Answer(body=json.dumps({"VaultList": [vault]}).encode())

    def _job(self, job):
        return {
            "JobId": job,
            "Action": "InventoryRetrieval",
            "StatusCode": "Succeeded",
            "InventorySizeInBytes": len(self.outputs[job]),
            "CreationDate": "2022-01-01T00:00:00.000Z",
            "CompletionDate": "2022-01-02T00:00:00.000Z",
        }


def client_at(url, folder, **settings):
    """A client whose listings are never fresh."""
    return Client(
        Config(
            endpoint=url,
            credentials=Credentials(KEY_ID, SECRET),
            cache_dir=folder,
            listing_ttl=0.0,
            attempts=2,
            **{"deadline": 20.0, **settings},
        )
    )
