"""The server ignores Range: whatever is asked for, it sends all that a job has.

The rest of casfs/blocks asks for ranges and need not know of this case. A GET whose answer turns
out to be a whole body is handed to `transfer.WholeBodies`; what happens next is here alone:

- All readers of a job's output share one transfer (`shared.py`), which brings every block in order.
- A body that has a hash, or no length, waits on disk until its end has come (`staged_blocks.py`).
  Otherwise each block is delivered as it comes: it is provisional, and taken back if the body
  breaks off. The leaves of such blocks are kept by `disk/provisional.py` and `disk/doubts.py`.
- The transfer stays only so far ahead of its readers that memory and cache keep what it brought;
  if nobody reads on, it ends.
"""
