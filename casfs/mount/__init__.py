"""The kernel's front end: a mount through FUSE."""
