"""Writes restored files: whole and verified, or not under their names."""
