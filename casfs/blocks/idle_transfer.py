"""How a whole-body transfer ends that nobody reads any more."""

from casfs.errors import CasfsError


class IdleTransferError(CasfsError):
    """A transfer stopped because nobody reads it any more.

    It fails the blocks in flight; a reader that comes later asks for them again. Users never see
    it, so it is no part of the tree in casfs/errors.py.
    """
