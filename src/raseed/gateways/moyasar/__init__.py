"""Moyasar, a gateway for the Gulf: `adapter` is the port, `line` the HTTP, `answers` and `letters` what comes back."""
