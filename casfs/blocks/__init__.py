"""The bytes of one output: blocks fetched, verified, cached and read."""
