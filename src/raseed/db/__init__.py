"""The database layer: connections, keys of account-owned rows, privileges, invariants and the embedded server."""
