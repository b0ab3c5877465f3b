"""The second factor: authenticator app, passkeys, recovery codes; and the proof asked for again before delicate acts."""
