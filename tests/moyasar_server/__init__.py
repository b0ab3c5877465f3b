"""A server that speaks Moyasar's protocol, as far as the product uses it.

It is strict: a parameter that is not known, missing or of the wrong kind is 400; `given_id` is taken once; amounts are at least 100;
basic authentication. It is built from Moyasar's public documentation and has never met Moyasar. What is our own assumption, because
nothing is published: the words of the refusal of a `given_id` that is taken; that the page of an invoice keeps cards (`page_keeps_cards`)
and hands its metadata on to the payment (`hands_metadata_on`); which cards pass 3-D Secure without a page.
It shares no code with the product.
"""

from moyasar_server.server import MoyasarServer

__all__ = ["MoyasarServer"]
