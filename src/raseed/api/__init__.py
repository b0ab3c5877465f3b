"""The doors for machines: the API, webhooks of the gateways, reports of browsers, health."""
