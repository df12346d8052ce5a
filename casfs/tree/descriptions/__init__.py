"""From the text that a tool wrote as an archive's description to a path: pure, no I/O."""
