"""The services that the emulator can be, by the name of their dialect."""

from collections.abc import Mapping

from casfs.emulator.api.dialect import Service
from casfs.emulator.cas import CAS
from casfs.emulator.glacier import GLACIER
from casfs.emulator.oas import OAS

DIALECTS: Mapping[str, Service] = {"cas": CAS, "glacier": GLACIER, "oas": OAS}
"""What `--dialect` takes; the first is its default."""
