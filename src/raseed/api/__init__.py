"""The doors for machines: webhooks of the gateways, health."""
