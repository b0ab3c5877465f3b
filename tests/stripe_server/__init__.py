"""A server that speaks Stripe's protocol, as far as the product uses it, for tests through the official SDK.

It is strict where Stripe is: form-encoded nested parameters, an unknown one is 400; one pinned version; idempotency keys with
replay, mismatch and "in use"; smallest amounts and the last digit of three-decimal currencies; error objects and statuses of
Stripe's kind. It is built from Stripe's public documentation and the SDK's own types (a test holds the names of all parameters and
fields against them); it has never met Stripe. It shares no code with the product.

    with StripeServer() as stripe:
        stripe.url, stripe.secret_key, stripe.webhook_secrets
        stripe.pay(session_id, "4242424242424242")      # act as the customer on the card page
        stripe.authenticate(intent_id)                  # and on the 3-D Secure page
        stripe.fault("drop_after", "/v1/payment_intents")

`wire` is HTTP, `parameters` what may be asked, `bank` the objects and what happens to them, `cards` the test cards, `pages`
what the customer sees.
"""

from stripe_server.server import StripeServer

__all__ = ["StripeServer"]
