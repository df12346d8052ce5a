"""The examples at the end of each help text and man page."""

import click

_EXAMPLES = {
    "": (
        "casfs request photos '2019/*' --max-cost 5USD   # start the retrieval jobs",
        "casfs wait photos                               # hours later",
        "casfs mount ~/restore && rsync -a ~/restore/vaults/photos/archives/ copy/",
        "man casfs-mount",
    ),
    "mount": (
        "casfs mount ~/restore",
        "casfs mount work ~/restore -o fmode=0755,cache_size=1TiB",
        "casfs mount --dialect glacier --region eu-west-1 ~/restore",
        "casfs mount -f ~/restore    # until Ctrl-C, with the log on the terminal",
    ),
    "umount": ("casfs umount ~/restore", "casfs umount --lazy ~/restore"),
    "status": ("casfs status", "casfs status --json ~/restore | jq .cache_used"),
    "top": ("casfs top", "casfs top ~/restore", "casfs top --once | grep 'at risk'"),
    "vaults": ("casfs vaults", "casfs vaults --profile work --json"),
    "jobs": (
        "casfs jobs photos --state running",
        "casfs jobs photos --expiring-within 6h || echo 'copy them now'",
        "casfs jobs photos --json | jq -r '.[] | [.expires, .path] | @tsv'",
    ),
    "cat": (
        "casfs cat photos 2019/spring.tif > spring.tif",
        "casfs cat photos ./2019/spring.tif --range 0-1048575 | file -",
        "casfs cat photos JOB --inventory csv | head",
    ),
    "wait": (
        "casfs wait photos",
        "casfs wait photos '*.tif' --timeout 12h && rsync -a ~/restore/ copy/",
        "casfs wait photos --any --on-event 'mail -s \"job done\" me@example.org'",
    ),
    "fetch": (
        "casfs fetch photos --all --dry-run",
        "casfs fetch photos --expiring-within 6h --bwlimit 20M",
        "casfs fetch photos '*.tif' --stats 10s",
    ),
    "restore": (
        "casfs restore photos /mnt/new --dry-run",
        "casfs restore photos:2019 /mnt/new --max-cost 300CNY",
        "casfs restore photos /mnt/new --rerequest yes -y   # until it exits with 0",
    ),
    "report": ("casfs report /mnt/new", "casfs report /mnt/new --html restore.html"),
    "verify": (
        "casfs verify photos",
        "casfs verify photos '*.tif' -v",
        "casfs verify --restored ~/photos",
    ),
    "ls": ("casfs ls photos", "casfs ls photos 2019/summer", "casfs ls photos --all --json"),
    "find": ("casfs find photos '*.tif'", "casfs find photos '2019/*/IMG_[0-4]*'"),
    "catalog": ("casfs catalog refresh",),
    "catalog refresh": ("casfs catalog refresh", "casfs catalog refresh photos videos"),
    "request": (
        "casfs request photos '2019/*' --dry-run    # show what it would cost",
        "casfs request photos '2019/*' --tier bulk --max-cost 5USD --wait",
        "casfs request photos --inventory           # the list of archives",
        "casfs request photos --ids ids.txt --split 4GiB",
    ),
    "cache": ("casfs cache ls", "casfs cache prune --to 10GiB"),
    "cache ls": ("casfs cache ls", "casfs cache ls --json"),
    "cache prune": ("casfs cache prune --to 10GiB", "casfs cache prune --older-than 30d --yes"),
    "cache clear": ("casfs cache clear photos", "casfs cache clear photos 2019/summer.tar"),
    "profiles": ("casfs profiles", "casfs profiles --json"),
    "emulator": (
        "export CASFS_ACCESS_KEY_ID=key CASFS_SECRET_ACCESS_KEY=secret",
        "casfs emulator --root state --seed photos=. --port 8080 &",
        "casfs mount --endpoint http://127.0.0.1:8080 ~/restore",
    ),
}
"""By the words of the command behind `casfs`. A test parses each line that begins with `casfs`."""


def epilog(command: str) -> str | None:
    r"""Return the examples of a command; click keeps the lines of what begins with `\b`."""
    lines = _EXAMPLES.get(command)
    return None if lines is None else "\n".join(["\b", "Examples:", *(f"  {x}" for x in lines)])


def add_examples(command: click.Command, words: str) -> click.Command:
    """Add the examples of a command, and of all below it, to their help; return it."""
    command.epilog = epilog(words) or command.epilog
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            add_examples(below, f"{words} {name}")
    return command
