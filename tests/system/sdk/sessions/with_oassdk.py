"""A session with oassdk, under Python 2: what its readme shows, then what it can do besides."""

import json
import sys

from oas.ease.vault import Vault
from oas.oas_api import OASAPI

MIB = 1 << 20

facts = json.loads(sys.argv[1])
api = OASAPI(facts["host"], str(facts["key_id"]), str(facts["secret"]), port=facts["port"])
Vault.create_vault(api, "sdk-vault")
vault = Vault.get_vault_by_name(api, "sdk-vault")
said = {"vault": vault.id, "vaults": len(Vault.list_all_vaults(api))}

# One request, streamed; then parts of 64 MiB, streamed, in threads.
said["small"] = vault.upload_archive(facts["small"], desc="small one")
said["large"] = vault.upload_archive(facts["large"])

# An upload that was broken off and goes on.
uploader = vault.initiate_uploader(facts["large"])
resumed = vault.recover_uploader(uploader.id)
said["uploads"] = len(vault.list_all_multipart_uploads())
said["resumed"] = resumed.resume(facts["large"])
broken = vault.initiate_uploader(facts["large"])
broken.cancel()

# A body in memory.
body = b"in memory"
etag = facts["memory_etag"]
response = vault.api.upload_archive(vault.id, body, str(etag), str(etag))
said["memory"] = response["x-oas-archive-id"]

whole = vault.retrieve_archive(said["large"], desc="all of it")
whole.download_to_file("whole")
whole.download_by_range((MIB, 3 * MIB - 1), file_path="range")
part = vault.retrieve_archive(said["large"], byte_range=(MIB, 35 * MIB - 1))
part.download_to_file("part")
unaligned = vault.retrieve_archive(said["small"])
unaligned.download_to_file("small")

inventory = vault.retrieve_inventory(desc="what is there")
inventory.download_to_file("inventory")

pull = vault.pull_from_oss("oss-cn-hangzhou-internal.aliyuncs.com", "bucket", "object")
push = vault.push_to_oss(said["small"], "oss-cn-hangzhou-internal.aliyuncs.com", "bucket", "object")
said["transfers"] = [pull.action, push.action]
said["jobs"] = sorted(job.id for job in vault.list_all_jobs())
said["job"] = whole.id
said["head"] = json.loads(api.head_archive(vault.id, said["small"]).read())

vault.delete_archive(said["memory"])
Vault.create_vault(api, "another")
Vault.delete_vault_by_name(api, "another")
sys.stdout.write(json.dumps(said) + "\n")
