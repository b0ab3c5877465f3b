"""Automatic recharge: settings, the tries so far, every recharge considered with its reason, and the considering itself."""
