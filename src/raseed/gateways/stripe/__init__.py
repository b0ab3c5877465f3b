"""Stripe behind the port. `adapter` has the verbs, `line` alone imports Stripe's SDK, `answers` reads what Stripe says.

The SDK takes half a second to import, so the registry loads this package only where Stripe is configured.
"""
