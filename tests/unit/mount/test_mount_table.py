"""The parser of the kernel's table of mounts, against paths of any bytes."""

import os
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from casfs.mount.mount_table import Mount, parse

PATHS = st.binary(min_size=1).map(lambda name: b"/" + name.replace(b"\0", b""))
LINE_ENDS = [b"a\rb", b"a\fb", b"a\vb", b"a\x1cb", b"a\xc2\x85b", b"a\xe2\x80\xa8b", b"a\xc2\xa0b"]
ODD = [*LINE_ENDS, b"a - b", b"\\040", b"\\", b"\xff\xfe", b"a\n36 1 0:1 / /b rw - fuse.casfs x rw"]


def escaped(path: bytes) -> bytes:
    """A path as the kernel writes it: seq_path() of its fs/seq_file.c, called with these bytes."""
    return re.sub(rb"[ \t\n\\#]", lambda match: b"\\%03o" % match[0][0], path)


def line(root: bytes, mountpoint: bytes, source: bytes = b"none") -> bytes:
    fields = [b"36", b"35", b"0:39", escaped(root), escaped(mountpoint), b"rw,nosuid", b"shared:1"]
    return b" ".join([*fields, b"-", b"fuse.casfs", escaped(source), b"rw,user_id=0\n"])


@given(st.lists(st.tuples(PATHS, PATHS)))
@example([(b"/" + name, b"/" + name) for name in ODD])
def test_every_path_is_found_as_it_is(paths: list[tuple[bytes, bytes]]) -> None:
    found = parse(b"".join(line(root, mountpoint, mountpoint) for root, mountpoint in paths))
    assert [(os.fsencode(one.root), os.fsencode(one.mountpoint)) for one in found] == paths
    assert {(one.file_system, one.device) for one in found} <= {("fuse.casfs", "0:39")}


def test_bytes_that_are_escaped_beyond_ascii_make_up_one_character() -> None:
    (found,) = parse(b"36 35 0:39 / /\\303\\274 rw - fuse.casfs none rw\n")
    assert found == Mount("/\u00fc", "fuse.casfs", "0:39", "/")


def test_who_mounted_is_what_the_kernel_says() -> None:
    table = b"36 35 0:39 / /a rw - fuse.casfs user_id=7 ro,user_id=1000,group_id=1\n"
    table += b"37 35 0:40 / /b rw - tmpfs none rw\n"
    assert [one.user for one in parse(table)] == [1000, None]


def test_paths_have_the_form_in_which_the_command_line_has_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "fsdecode", lambda path: path.decode("iso-8859-1"))
    (found,) = parse(line(b"/", b"/\xc3\xbc"))
    assert found.mountpoint == "/\xc3\xbc"
