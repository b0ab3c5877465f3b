"""The operator's own door: accounts and their Admins."""
