"""A bank that does not exist: its own process, its own book, reached over HTTP only.

It stands outside the product. It imports nothing of it and nothing of the product imports it, so that its book
is independent truth to compare ours with.
"""
