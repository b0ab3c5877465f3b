"""The doors for machines: webhooks of the gateways, reports of browsers, health."""
