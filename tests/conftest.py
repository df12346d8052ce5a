"""What holds for all tests."""

from hypothesis import settings

# How long an example takes on a busy machine says nothing about casfs.
settings.register_profile("casfs", deadline=None)
settings.load_profile("casfs")
