"""Never a wrong byte: every comparison of a hash, and every decision of trust, is made here.

Five checks stand between a byte and the program that reads it. They are pure functions: the callers
pass in all that they look at, and do what they say.

1. An answer against the tree hash in its header. `gets/resume.py` calls `contradicted` for
   ranges, where several answers may bring what one hash covers; `whole_body` calls
   `Verifier.require_run` for a body that carries a whole output. No byte that a hash covers is
   delivered before the comparison: `trust_of_answers` says which blocks must wait.
2. A block against the leaf known from before, if one is. `disk/leaf_pages.py` calls `judge` for
   each block that comes, before it is delivered and again as its leaf is recorded.
3. The whole output against the hash that its job or an inventory has. `open_output.py` calls
   `matches` when the last leaf becomes known. On a mismatch all readers get an error from then on,
   and `remedy` (called by `disk/leaf_index.py`) says what to fetch again. `small_outputs.py` calls
   `matches` for one block. `tree/metadata/sizes.py` calls `Verifier.may_be_empty` for no bytes.
4. A block from disk against its leaf. `disk/output_store.py` and `disk/part_store.py` call
   `Verifier.is_block` at each read, `read_back.py` for what an earlier run left in a restored file,
   and `whole_body` calls `Verifier.require_run` for a block that waited on disk.
5. A derived file against its leaves. `disk/derived_files.py` calls `DERIVED.is_block` when it opens
   the file and at each read, and `same_leaves` when `derived_reader.py` had it made again.

A block that no hash covers is delivered as `Trust.UNCHECKED`. It is counted, its output is not
called verified (`verified`), and the kernel may not cache it (`may_be_cached`).

The file of leaves is not trusted either: if a record in it is corrupt, its block fails check 4 and
is fetched again, and check 3 rereads each block that only that file vouches for. Which jobs are
asked for an archive is decided in `tree/coverage.py`; what they bring passes the same checks.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum, auto

from casfs.errors import MismatchError
from casfs.model import Output
from casfs.treehash import SHA256, Buffer, Hash, TreeHash
from casfs.treehash import Digest as Digest


class Trust(IntEnum):
    """How sure we are of a block."""

    UNKNOWN = 0
    """Nothing was received."""
    UNCHECKED = 1
    """It came with the right length and no hash of its own."""
    CHECKED = 2
    """It came in an answer that matched its tree hash."""
    WHOLE = 3
    """The output as a whole matched its tree hash."""


class LeafVerdict(Enum):
    """What the known leaf of a block says of bytes that came for it."""

    GOOD = auto()
    """They are the first ones, or the same again."""
    WRONG = auto()
    """They are not what was vouched for better than they are."""
    DOUBTFUL = auto()
    """They differ from bytes that may have been delivered, and either may be wrong."""
    LATE = auto()
    """They were asked for before what was delivered was found to be wrong; others have come since,
    or will come."""


class Forgiven(IntEnum):
    """What was forgotten so far because the output as a whole was not what it should be."""

    NOTHING = 0
    UNVOUCHED = 4
    """The leaves that no answer's hash vouched for."""
    EVERYTHING = 5
    """All leaves, since those that were vouched for contradict the output's hash as well."""


@dataclass(frozen=True, slots=True)
class Announced:
    """A tree hash that the service announced, and the run of blocks that it covers."""

    run: range
    digest: Digest

    def is_complete(self, leaves: Mapping[int, Digest]) -> bool:
        """Return whether the leaf of each of its blocks is known, so that it can be compared."""
        return all(map(leaves.__contains__, self.run))


class Verifier:
    """Hashes blocks in one way, and compares what came with what was expected.

    Args:
        tree_hash: how the service hashes archives.

    Attributes:
        digest_size: bytes of a digest.
        leaf: returns the digest of the bytes of a block.
        root: returns the digest over the leaves of neighboring blocks.
        new: begins a leaf whose bytes come in pieces.
        sha256: returns the SHA-256 of a block whose leaf is known, in hexadecimal.
    """

    def __init__(self, tree_hash: TreeHash) -> None:
        self.digest_size = tree_hash.digest_size
        self.leaf: Callable[[Buffer], Digest] = tree_hash.leaf
        self.new: Callable[[], Hash] = tree_hash.new
        self.sha256: Callable[[Buffer, Digest], str] = tree_hash.sha256
        self.root: Callable[[Sequence[Digest]], Digest] = tree_hash.root

    def is_block(self, data: Buffer, leaf: Digest) -> bool:
        """Return whether these are the bytes that a leaf was made of (checks 4 and 5)."""
        return self.leaf(data) == leaf

    def require_run(
        self, output: Output, run: range, leaves: Sequence[Digest], expected: Digest
    ) -> None:
        """Compare all blocks of one answer with the hash that it announced (check 1).

        Raises:
            MismatchError: they have another one.
        """
        found = self.root(leaves)
        if found != expected:
            raise mismatch(output, run, found, expected, "none of it was delivered")

    def may_be_empty(self, expected: Digest | None) -> bool:
        """Return whether an output of which no bytes came may be the one of this hash."""
        return expected is None or self.is_block(b"", expected)


def matches(found: Digest | None, expected: Digest | None) -> bool:
    """Return whether a hash is known, and is the one that was expected (checks 2, 3 and 4)."""
    return found is not None and found == expected


# Check 1: answers against the hashes in their headers.


def contradicted(
    root: Callable[[Sequence[Digest]], Digest],
    complete: Sequence[Announced],
    leaves: Mapping[int, Digest],
    delivered: Collection[int],
) -> Iterator[tuple[Announced, Digest]]:
    """Yield the announced hashes that the blocks do not have, with the one that they have.

    One that covers blocks that were delivered is left out if each of its other blocks is also
    covered by one that covers none of those: that one decides.

    Args:
        root: returns the digest over leaves.
        complete: hashes of which each block has come, in the order in which they are compared.
        leaves: those of the blocks that have come.
        delivered: the blocks that were delivered already.
    """
    fresh = [one for one in complete if not any(block in delivered for block in one.run)]
    for one in complete:
        if one not in fresh and all(
            block in delivered or any(block in other.run for other in fresh) for block in one.run
        ):
            continue
        found = root([leaves[block] for block in one.run])
        if found != one.digest:
            yield one, found


def trust_of_answers(
    blocks: Iterable[int], announced: Sequence[Announced], leaves: Mapping[int, Digest]
) -> dict[int, Trust]:
    """Return how sure we are of blocks that came, without those that must wait for others.

    Of the hashes that were announced, those that are complete were compared; see `contradicted`.
    """
    compared = [(one.run, one.is_complete(leaves)) for one in announced]
    trusts = {}
    for block in blocks:
        covering = [complete for run, complete in compared if block in run]
        if any(covering) or not covering:
            trusts[block] = Trust.CHECKED if covering else Trust.UNCHECKED
    return trusts


def left_to_whole(whole: Announced, complete: Sequence[Announced], mismatches: int) -> bool:
    """Return whether a contradiction of the job's own hash is left to the check of the whole.

    That check remembers it, so that an output that is wrong for good is not asked for at each read.
    It is left where the hashes of answers vouched for every block, or when the same came of asking
    again.

    Args:
        whole: the job's own hash.
        complete: all hashes that were compared.
        mismatches: how often the service's bytes were found to be wrong before.
    """
    others = [one for one in complete if one is not whole]
    vouched = all(any(block in one.run for one in others) for block in whole.run)
    return vouched or bool(mismatches)


def mismatch(
    output: Output, run: range, found: Digest, expected: Digest, fate: str
) -> MismatchError:
    """Return the error of blocks that have another hash than the service announced.

    Args:
        output: what they are of.
        run: the blocks.
        found: their hash.
        expected: the announced one.
        fate: what became of their bytes.
    """
    first, stop = output.layout.span(run)
    return MismatchError(
        f"bytes {first}-{stop - 1} of the {output} have tree hash {found.hex()}, "
        f"the service announced {expected.hex()}; {fate}"
    )


# Check 2: a block against the leaf that was known before.


def judge(
    leaf: Digest, trust: Trust, known: Digest | None, known_trust: Trust, delivered: bool
) -> LeafVerdict:
    """Return what is known of bytes that came for a block.

    Args:
        leaf: what they hash to.
        trust: how sure we are of them.
        known: what the bytes hashed to that came before, None if none did.
        known_trust: how sure we are of those; `UNKNOWN` if they were taken back.
        delivered: those may have been delivered.
    """
    if known is None or known == leaf:
        return LeafVerdict.GOOD
    if known_trust > trust:
        return LeafVerdict.WRONG
    return LeafVerdict.DOUBTFUL if delivered else LeafVerdict.GOOD


def trust_on_record(trust: Trust, known: Trust, same: bool) -> Trust:
    """Return how sure we are of a block after bytes came for it that were judged good.

    If they are the `same` that came before, what vouched for the one vouches for the other.
    """
    return max(trust, known) if same else trust


def trust_if_adopted(trust: Trust) -> Trust:
    """Return how sure we are of a job's block in an archive that several jobs bring.

    What the job's own output matched as a whole is not all of the archive.
    """
    return min(trust, Trust.CHECKED)


# Check 3: the whole output against its job's hash.


def remedy(forgiven: Forgiven, unvouched: bool, removed: bool) -> Forgiven:
    """Return what is to be forgotten of an output that as a whole is not what it should be.

    At first these are the leaves that no answer's hash vouched for. When that did not help, or
    there are none, it is all of them, once. After that everything stays, and is what shows at each
    open that the output is wrong, until the user has `removed` the record.
    """
    if unvouched and forgiven is Forgiven.NOTHING:
        return Forgiven.UNVOUCHED
    done = forgiven is Forgiven.EVERYTHING and not removed
    return Forgiven.NOTHING if done else Forgiven.EVERYTHING


def verified(expected: Digest | None, whole: Digest | None, least: Trust, most: Trust) -> str:
    """Return `yes`, `partial` or `no`: whether the bytes of an output are verified.

    Verified is what matched a tree hash of the service, in parts or as a whole. Where the job's
    own hash of the whole output is known (`expected`), `yes` means that this one matched: `whole`
    is the one that did. `least` and `most` are how sure we are of single blocks.
    """
    if least >= Trust.CHECKED if expected is None else matches(whole, expected):
        return "yes"
    return "partial" if most >= Trust.CHECKED else "no"


def may_be_cached(refused: bool, unchecked: bool, doubted: bool) -> bool:
    """Return whether a hash of the service vouched for every byte that was delivered so far."""
    return not (refused or unchecked or doubted)


DERIVED = Verifier(SHA256)
"""Makes and compares the leaves of derived files (check 5), which are ours: no service has any."""


def same_leaves(one: bytes, other: bytes) -> bool:
    """Return whether two derived files, whose leaves these are, have the same bytes."""
    return one == other


file_hash = SHA256.new
"""Returns a new SHA-256 of a whole file, for others to compare it: no service has one."""
