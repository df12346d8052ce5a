"""Keys where the official tools keep them are all that a mount needs."""

from pathlib import Path

from tests.support.emulated_service import REGION, Service
from tests.support.emulator.running import KEY_ID, SECRET
from tests.support.mounting import mounted


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)


def write_official_keys(dialect: str, home: Path, port: int) -> dict[str, str]:
    """Write what the official tool writes; return the settings that it does not know."""
    endpoint = {"CASFS_ENDPOINT": f"http://127.0.0.1:{port}"}
    if dialect == "cas":
        keys = f"secretid = {KEY_ID}\nsecretkey = {SECRET}\n"
        write(home / ".cascmd_credentials", f"[CASCredentials]\nendpoint = x\n{keys}")
        return endpoint
    if dialect == "oas":
        keys = f"accessid = {KEY_ID}\naccesskey = {SECRET}\n"
        server = f"host = 127.0.0.1\nport = {port}\n"
        write(home / ".oascredentials", f"[OASCredentials]\n{server}{keys}")
        return {"CASFS_ENDPOINT": ""}
    keys = f"aws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n"
    write(home / ".aws" / "credentials", f"[night]\n{keys}")
    write(home / ".aws" / "config", f"[profile night]\nregion = {REGION}\n")
    return {**endpoint, "AWS_PROFILE": "night"}


def test_a_mount_with_the_keys_of_the_official_tool(service: Service, tmp_path: Path) -> None:
    settings = {
        "CASFS_DIALECT": service.dialect,
        "CASFS_ACCESS_KEY_ID": "",
        "CASFS_SECRET_ACCESS_KEY": "",
        **write_official_keys(service.dialect, tmp_path, service.emulator.port),
    }
    with mounted(tmp_path, service.emulator.url, **settings) as mount:
        assert mount.read(service.output("over")) == service.files["over"]
        assert SECRET not in mount.log
        assert SECRET not in mount.good("cat", mount.path(".casfs", "status.json"))
