"""Payments: an intent written down, asked of the gateway, settled at one door."""
