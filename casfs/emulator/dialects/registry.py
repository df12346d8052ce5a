"""The services that can be emulated, by dialect."""

from collections.abc import Mapping

from casfs.emulator.api.dialect import Service
from casfs.emulator.dialects.cas.wire import CAS
from casfs.emulator.dialects.glacier.wire import GLACIER
from casfs.emulator.dialects.oas.wire import OAS

DIALECTS: Mapping[str, Service] = {"cas": CAS, "glacier": GLACIER, "oas": OAS}
"""The values of `--dialect`; the first is the default."""
