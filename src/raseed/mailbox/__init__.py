"""The demo's mail server. It stands outside: it imports nothing of the product and no mail leaves it."""
