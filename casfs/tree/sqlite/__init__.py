"""The SQLite file of an account: connections, schema, and how values are written in columns."""
