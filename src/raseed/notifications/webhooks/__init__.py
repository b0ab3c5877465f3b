"""Webhooks to the operator's service: endpoints and their secrets, delivery in turns, the log and replay."""
