"""The record of what was requested: `requests.sqlite` in the state directory, here only read."""
