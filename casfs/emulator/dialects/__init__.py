"""The services that the emulator can be."""
