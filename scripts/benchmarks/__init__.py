"""Benchmarks: casfs beside rclone and curl, on the same bytes from the same web server."""
