"""Mail to the account's people: kept first, sent by a job, once."""
