"""The disk tier of the block cache: a file per block, and what is known of each."""
