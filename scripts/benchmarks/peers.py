"""The programs beside casfs: rclone mount over the same files, and curl."""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes
from benchmarks.contents import Output
from benchmarks.mounts import Mount

_RCLONE = Path(sys.executable).with_name("rclone")


@dataclass(frozen=True)
class Mode:
    """A way to run rclone mount.

    Attributes:
        name: how the tables call it.
        options: added to the command line.
    """

    name: str
    options: tuple[str, ...]


DEFAULT = Mode("rclone", ())
FULL = Mode("rclone full", ("--vfs-cache-mode", "full"))
_PIECES = ("--vfs-read-chunk-size", "16M")
"""Streams share out pieces of this size. With the default, 128 MiB, four of them are slower and
take most of a GiB of memory; of 4, 16, 32, 64 and 128 MiB, this was the fastest here."""

STREAMS_4 = Mode("rclone 4 streams", ("--vfs-read-chunk-streams", "4", *_PIECES))
STREAMS_8 = Mode("rclone 8 streams", ("--vfs-read-chunk-streams", "8", *_PIECES))


@contextlib.contextmanager
def rclone(mode: Mode, endpoint: str, folder: Path, cache: Path) -> Iterator[Mount]:
    """Mount the origin's plain files with rclone, until the context ends.

    Over WebDAV, since a listing then tells sizes: over plain HTTP, rclone would ask for each
    file's size on its own.

    Args:
        mode: what is measured.
        endpoint: URL of the origin.
        folder: for the mount point and the log; its own.
        cache: folder of rclone's cache, kept.
    """
    mountpoint = folder / "mnt"
    mountpoint.mkdir(parents=True)
    log = folder / "rclone.log"
    command: list[str | Path] = [
        _RCLONE,
        "mount",
        ":webdav:",
        mountpoint,
        f"--webdav-url={endpoint}/dav/",
        "--webdav-vendor=other",
        "--read-only",
        f"--cache-dir={cache}",
        f"--config={os.devnull}",
        *mode.options,
    ]
    process = processes.start(command, log)
    try:
        processes.wait_until(lambda: os.path.ismount(mountpoint), process, "rclone", log)
        yield Mount(mountpoint, process)
    finally:
        processes.unmount(process, mountpoint)


def curl_to_file(endpoint: str, output: Output, target: Path) -> Sequence[str]:
    """Return the command that fetches an output into a file."""
    return ["curl", "-sSf", "-o", str(target), url(endpoint, output)]


def rclone_copy(
    endpoint: str, vault: str, target: Path, options: Iterable[str]
) -> Sequence[str | Path]:
    """Return the command that copies all outputs of a vault into a folder, with rclone."""
    return [
        *(_RCLONE, "copy", f":webdav:{vault}", target, f"--config={os.devnull}"),
        *(f"--webdav-url={endpoint}/dav/", "--webdav-vendor=other", *options),
    ]


def aria2_to_file(endpoint: str, output: Output, target: Path) -> Sequence[str | Path]:
    """Return the command that fetches an output into a file over eight connections, with aria2.

    Its TLS library reads no variable that names the authorities to trust. By default it would use
    five of the connections, and write the file twice, first with zeros.
    """
    return [
        *("aria2c", "--no-conf", "--quiet", "-x8", "-s8", "--file-allocation=none"),
        f"--ca-certificate={os.environ['SSL_CERT_FILE']}",
        *(f"--dir={target.parent}", f"--out={target.name}", url(endpoint, output)),
    ]


def curl_and_hash(endpoint: str, output: Output) -> Sequence[str]:
    """Return the command that fetches an output and hashes it, as a careful user would."""
    line = 'curl -sSf "$1" | openssl dgst -sha256'
    return ["bash", "-o", "pipefail", "-c", line, "bash", url(endpoint, output)]


def curl_ranges(address: str, spans: Iterable[tuple[int, int]], config: Path) -> Sequence[str]:
    """Return the command that fetches ranges one after another and prints the seconds of each.

    Args:
        address: URL to fetch from.
        spans: first byte and bytes of each range.
        config: where the command's configuration is to be written.
    """
    config.write_text(
        "\nnext\n".join(
            f'url = "{address}"\nrange = "{first}-{first + size - 1}"\n'
            f'output = "{os.devnull}"\nwrite-out = "%{{time_total}}\\n"\nsilent\nshow-error\nfail'
            for first, size in spans
        )
        + "\n",
        "ascii",
    )
    return ["curl", "-q", "--config", str(config)]


def curl_all(endpoint: str, outputs: Iterable[Output], target: Path) -> Sequence[str]:
    """Return the command that fetches outputs into a folder, eight at once.

    Its configuration stands beside the folder.
    """
    config = target.with_name(f"{target.name}.conf")
    config.write_text(
        "".join(
            f'url = "{url(endpoint, output)}"\noutput = "{target / output.job}"\n'
            for output in outputs
        ),
        "ascii",
    )
    command = ["curl", "-q", "-sSf", "--parallel", "--parallel-max", "8", "--parallel-immediate"]
    return [*command, "--config", str(config)]


def url(endpoint: str, output: Output) -> str:
    """Return where the service has an output."""
    return f"{endpoint}/-/vaults/{output.vault}/jobs/{output.job}/output"
