"""The one table of dialects: a new one is a file beside this one, and a row here."""

from casfs.service.cas import CAS
from casfs.service.glacier import GLACIER
from casfs.service.oas import OAS
from casfs.service.registration import Registration

DIALECTS: dict[str, Registration] = {
    "cas": CAS,
    "oas": OAS,
    "glacier": GLACIER,
}
"""Dialects by the name that `--dialect` takes; the first is the default."""
