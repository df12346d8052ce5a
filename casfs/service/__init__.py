"""The archive service on the wire: one transport, one small file a dialect."""
