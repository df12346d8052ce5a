"""From the description that a tool wrote for an archive to a path: pure, no I/O."""
