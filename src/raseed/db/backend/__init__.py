"""Django's PostgreSQL backend with the two corrections that tables keyed by (account_id, id) need."""
