"""A session with cassdk, under Python 2: what its readme shows, then what it can do besides."""

import json
import sys

from cas.api import CasAPI
from cas.client import CASClient
from cas.vault import Vault

MIB = 1 << 20

facts = json.loads(sys.argv[1])
client = CASClient(
    facts["host"], str(facts["account"]), str(facts["key_id"]), str(facts["secret"]), facts["port"]
)
api = CasAPI(client)
Vault.create(api, "sdk-vault")
vault = Vault.get_vault_by_name(api, "sdk-vault")
said = {"vault": vault.name, "vaults": len(Vault.list_all_vaults(api))}

# One request, streamed; then parts of 16 MiB, streamed, in threads.
said["small"] = vault.upload_archive(facts["small"], desc="small one")
said["large"] = vault.upload_archive(facts["large"])

broken = vault.initiate_multipart_upload(facts["large"])
said["uploads"] = len(vault.list_all_multipart_uploads())
vault.get_multipart_uploader(broken.id).cancel()

whole = vault.retrieve_archive(said["large"], desc="all of it", tier="Expedited")
whole.download_to_file("whole")
whole.download_by_range((MIB, 3 * MIB - 1), file_path="range")
part = vault.retrieve_archive(said["large"], byte_range=(32 * MIB, 64 * MIB - 1))
part.download_to_file("part")

inventory = vault.initiate_retrieve_inventory(desc="what is there")
inventory.download_to_file("inventory")

said["job"] = whole.id
listed = api.list_jobs("sdk-vault", completed=True, status_code="Succeeded")
said["jobs"] = sorted(job["JobId"] for job in listed["JobList"])
doomed = vault.upload_archive(facts["small"])
vault.delete_archive(doomed)
Vault.create(api, "another")
Vault.delete_vault_by_name(api, "another")
sys.stdout.write(json.dumps(said) + "\n")
