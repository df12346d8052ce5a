"""Inventories as the services write them in CSV."""

from hypothesis import strategies as st

from casfs.tree.inventory.entry import ArchiveEntry
from casfs.tree.inventory.text import to_bytes

HEADER = "ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash"
CREATED = "2019-04-12T08:15:30Z"
HASH = "0f" * 32
printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))
tricky = st.text('",\\a 1')
identifiers = st.text("abcXYZ019-_", min_size=1)
services_entries = st.builds(
    ArchiveEntry,
    identifiers,
    printable | tricky,
    st.just(CREATED),
    st.integers(0, 1 << 45),
    st.just(HASH),
)


def quoted(text):
    return '"' + text.replace('"', '\\"') + '"'


def written(listed, columns=5, header=True, end="\n", all_quoted=False):
    """Write a CSV as Amazon Glacier does (rows of the live service, mt-aws-glacier's tests)."""
    lines = [HEADER.split(",")[:columns]] if header else []
    for entry in listed:
        fields = [str(field) for field in entry[:columns]]
        if all_quoted:
            fields = [quoted(field) for field in fields]
        elif '"' in fields[1] or "," in fields[1]:
            fields[1] = quoted(fields[1])
        lines.append(fields)
    return to_bytes("".join(",".join(line) + end for line in lines))
