"""The kernel's door: a mount by way of FUSE."""
