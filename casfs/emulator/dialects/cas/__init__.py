"""Tencent CAS."""
