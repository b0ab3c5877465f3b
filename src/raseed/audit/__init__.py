"""The audit log: who did what to which row, and why. Append-only."""
