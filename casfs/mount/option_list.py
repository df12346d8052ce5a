"""The list of options behind `-o`: how it is split, and which options there are."""

import re

from casfs.errors import ConfigError

# An escaped character, or one that is neither a comma nor a quote; or text in quotes.
_WORD = re.compile(r'(?:\\.|[^\\",]|"(?:\\.|[^\\"])*")+', re.DOTALL)
_ESCAPED = re.compile(r'\\(.)|"', re.DOTALL)

GENERIC = frozenset({
    "ro", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "async", "sync", "dirsync", "atime",
    "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime",
    "symfollow", "nosymfollow", "context", "fscontext", "defcontext", "rootcontext",
})  # fmt: skip
"""Those of the kernel, for every file system (mount(8))."""

LIBFUSE = frozenset({
    "allow_other", "allow_root", "auto_unmount", "default_permissions", "fsname", "subtype",
    "max_read", "max_readahead", "max_background", "congestion_threshold", "max_threads",
    "max_idle_threads", "clone_fd", "attr_timeout", "ac_attr_timeout", "entry_timeout",
    "negative_timeout", "remember", "noforget", "debug", "async_read", "sync_read", "intr",
    "intr_signal", "splice_read", "no_splice_read", "splice_write", "no_splice_write",
    "splice_move", "no_splice_move", "big_writes", "max_write", "direct_io", "modules", "use_ino",
    "readdir_ino", "hard_remove", "large_read", "blkdev", "nopath", "no_remote_lock",
    "no_remote_flock", "no_remote_posix_lock", "atomic_o_trunc",
})  # fmt: skip
"""Those of libfuse, versions 2 and 3 (mount.fuse3(8))."""

_IGNORED = frozenset({
    "defaults", "auto", "noauto", "user", "nouser", "users", "owner", "group", "nofail", "_netdev",
    "_rnetdev", "comment", "helper", "uhelper",
})  # fmt: skip


def is_for_mount(name: str) -> bool:
    """Return whether an option is for mount(8) and fstab alone, and means nothing to casfs."""
    return name in _IGNORED or name.lower().startswith("x-")


def split_options(text: str) -> dict[str, str | bool]:
    """Return what `a,b=c` means, True for an option without a value; the last one counts.

    A value may be in double quotes, and a backslash escapes a comma, a quote or a backslash.

    Raises:
        ConfigError: a quote is not closed, or the text ends with a backslash.
    """
    found: dict[str, str | bool] = {}
    position = 0
    while position < len(text):
        if text[position] == ",":
            position += 1
            continue
        word = _WORD.match(text, position)
        if word is None or (not text.startswith(",", word.end()) and word.end() < len(text)):
            raise ConfigError(
                f"-o {text[position:]}: a quote is not closed; "
                'write name="value", or \\, for a comma'
            )
        position = word.end()
        name, equals, value = word[0].partition("=")
        found[name] = _ESCAPED.sub(r"\1", value) if equals else True
    return found


def escaped(value: str) -> str:
    r"""Return a value as libfuse reads it in a list of options, with `\,` for a comma."""
    return re.sub(r"([\\,])", r"\\\1", value)
