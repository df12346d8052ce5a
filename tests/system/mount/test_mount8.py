"""mount(8), fstab and umount(8), in a mount namespace of their own and an empty environment."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.emulator.running import KEY_ID, SECRET
from tests.support.processes import (
    MARK,
    SECONDS,
    SESSION,
    end_processes,
    marked_processes,
    wait_until,
)
from tests.support.served import Served

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes mount namespaces")

HELPER = Path(sys.executable).with_name("mount.casfs")
PREPARE = """
cd "$T"
# Mounts of other tests, which this namespace has copies of.
umount --all --types fuse.casfs --lazy 2>/dev/null || true
# Both directories as they are, with the helper and the configuration of the system added.
for at in usr/sbin etc; do
  mkdir -p "orig/$at" "new/$at"
  mount --bind "/$at" "orig/$at"
  cp -rs "$T/orig/$at/." "new/$at/"
done
ln -s "$HELPER" new/usr/sbin/mount.casfs
ln -s "$HELPER" new/usr/sbin/mount.fuse.casfs
mkdir new/etc/casfs
cp config.toml new/etc/casfs/
for at in usr/sbin etc; do mount --bind "new/$at" "/$at"; done
alone() { /usr/bin/env -i "$MARK" "$@"; }
trap 'umount --all --types fuse.casfs --lazy 2>/dev/null || true' EXIT
"""


class Namespace:
    """A mount namespace in which the helper is installed.

    Args:
        root: an empty folder.
        url: of the service of the profiles `work` and `default`.
    """

    def __init__(self, root: Path, url: str) -> None:
        self.root = root
        self.mark = f"{SESSION}-{uuid.uuid4().hex}"
        for name in ("one", "a directory", "by-hand", "cache"):
            (root / name).mkdir(mode=0o700)
        keys = f'access_key_id = "{KEY_ID}"\nsecret_access_key = "{SECRET}"\n'
        (root / "config.toml").write_text(
            "".join(
                f'[profiles.{name}]\nendpoint = "{url}"\ncache_dir = "{root}/cache/{name}"\n{keys}'
                for name in ("work", "default")
            )
        )
        (root / "config.toml").chmod(0o600)

    def run(self, script: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            "T": str(self.root),
            "HELPER": str(HELPER),
            "PYTHON": sys.base_prefix,
            "MARK": f"{MARK}={self.mark}",
            "PATH": os.environ["PATH"],
        }
        # Files, not pipes: a mount that is left behind would keep a pipe open.
        with (self.root / "out").open("w+") as out, (self.root / "err").open("w+") as err:
            status = subprocess.run(
                ["unshare", "-m", "bash", "-eu", "-c", PREPARE + script],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=SECONDS,
                check=False,
            ).returncode
            texts = [file.seek(0) or file.read() for file in (out, err)]
        return subprocess.CompletedProcess([script], status, *map(str, texts))


@pytest.fixture
def namespace(service: Served, tmp_path: Path) -> Iterator[Namespace]:
    made = Namespace(tmp_path, service.url)
    try:
        yield made
    finally:
        end_processes(lambda: marked_processes(made.mark), grace=3)


def test_lines_of_fstab_are_mounted_and_unmounted(service: Served, namespace: Namespace) -> None:
    root = namespace.root
    options = "ro,_netdev,nofail,x-systemd.requires=network-online.target,noatime,fmode=0600"
    fstab = root / "fstab"
    fstab.write_text(
        f"casfs:work {root}/one casfs {options},cache_size=1GiB,"
        'description_rules="mt-aws-glacier,fastglacier" 0 0\n'
        f"default {str(root / 'a directory').replace(' ', chr(92) + '040')} fuse.casfs"
        " defaults,user,comment=any,listing_ttl=5 0 0\n"
        f"casfs:work {root}/by-hand casfs noauto,ro 0 0\n"
    )
    file = "/".join(service.output("odd"))
    done = namespace.run(f"""
alone mount --all --fstab "$T/fstab"
findmnt --noheadings --raw --types fuse.casfs --output SOURCE,OPTIONS
sha256sum < "$T/one/{file}"
stat --format=%a "$T/one/{file}"
cmp "$T/one/{file}" "$T/a directory/{file}"
# A line that is mounted is not mounted again.
alone mount --all --fstab "$T/fstab" --types casfs
alone umount --all --types fuse.casfs
for at in one "a directory"; do ! mountpoint --quiet "$T/$at"; done
""")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["casfs:work", "casfs:default"]
    assert {"ro", "noatime"} <= set(lines[0].split()[1].split(","))
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(lines[1].split()[1].split(","))
    assert lines[3] == "600"


def test_mount_by_hand_is_like_casfs_mount(service: Served, namespace: Namespace) -> None:
    done = namespace.run("""
alone mount -t casfs work "$T/one"
ls "$T/one"
alone umount "$T/one"
alone mount -t fuse.casfs none "$T/one" -o uid=7
stat --format=%u "$T/one"
alone umount "$T/one"
""")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["vaults", "7"]


@pytest.mark.parametrize(
    ("source", "options", "status", "words"),
    [
        ("work", "nosuchoption", 2, "nosuchoption"),
        ("work", "cache_sise=1G", 2, "did you mean cache_size?"),
        ("work", "cache_size=many", 2, "cache_size must be a size"),
        ("work", "secret_access_key=s3cr3t", 2, "configuration file"),
        ("other", "ro", 2, "no profile 'other' in /etc/casfs/config.toml"),
        ("work", "endpoint=http://127.0.0.1:1,attempts=1", 32, "Connection refused"),
    ],
)
def test_what_is_wrong_is_one_line(
    namespace: Namespace, source: str, options: str, status: int, words: str
) -> None:
    done = namespace.run(f"alone mount -t casfs {source} \"$T/one\" -o '{options}'")
    assert done.returncode == status
    assert words in done.stderr
    assert "s3cr3t" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


AS_USER = """
mount -t tmpfs -o mode=755 none /mnt
mkdir -p /mnt/home/.config/casfs /mnt/home/restore
sed "s,$T/,/mnt/home/," config.toml > /mnt/home/.config/casfs/config.toml
chmod 600 /mnt/home/.config/casfs/config.toml
chown -R 54321:54321 /mnt/home
rm -f /etc/passwd /etc/fstab
# Links lead to where root alone can look; these Python needs to find libraries.
cp --remove-destination "$T/orig/etc/ld.so.cache" /etc/
cp --remove-destination "$T/orig/usr/sbin/ldconfig" /usr/sbin/
{ cat "$T/orig/etc/passwd"; echo "somebody:x:54321:54321::/mnt/home:/bin/sh"; } > /etc/passwd
echo "casfs:work /mnt/home/restore casfs noauto,user,ro 0 0" > /etc/fstab
as() { setpriv --reuid "$1" --regid "$1" --clear-groups env -i "$MARK" "${@:2}"; }
# Debian lets everybody open this; containers may not.
mknod -m 666 /mnt/fuse c 10 229
mount --bind /mnt/fuse /dev/fuse
# Python may be where root alone can look.
if ! as 54321 test -x "$PYTHON"; then
  mkdir "$T/python"
  mount --bind "$PYTHON" "$T/python"
  mount -t tmpfs -o mode=755 none "/$(cut -d/ -f2 <<<"$PYTHON")"
  mkdir -p "$PYTHON"
  mount --bind "$T/python" "$PYTHON"
fi
"""
"""Who may mount a line of fstab has a name, a home, and a profile in it."""


def test_a_user_mounts_and_unmounts_a_line_of_fstab(service: Served, namespace: Namespace) -> None:
    """By the option `user`; nobody else can unmount it but root, which does so with all others."""
    file = "/".join(service.output("odd"))
    done = namespace.run(f"""{AS_USER}
as 54321 mount /mnt/home/restore
findmnt --noheadings --raw --types fuse.casfs --output SOURCE,TARGET,OPTIONS
as 54321 stat --format='%U %a' "/mnt/home/restore/{file}"
! as 54322 umount /mnt/home/restore 2> "$T/refused"
as 54321 umount /mnt/home/restore
! mountpoint --quiet /mnt/home/restore
as 54321 mount /mnt/home/restore
# Much of what there is cannot be unmounted: this very program uses it.
alone umount --all 2> "$T/busy" || true
! mountpoint --quiet /mnt/home/restore
""")
    assert (done.returncode, done.stderr) == (0, "")
    mounted, found = done.stdout.splitlines()
    assert mounted.startswith("casfs:work /mnt/home/restore ro,nosuid,nodev")
    assert "user_id=54321" in mounted
    assert found == "somebody 644"
    assert (namespace.root / "refused").read_text()
    assert "/mnt/home/restore" not in (namespace.root / "busy").read_text()
    wait_until(lambda: not marked_processes(namespace.mark), "the mounts to end")
