"""The life of a restore, above the client: what to request, and at what price."""
