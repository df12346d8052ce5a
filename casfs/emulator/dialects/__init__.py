"""The services that can be emulated."""
