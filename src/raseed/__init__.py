"""Raseed: a prepaid billing portal."""
