"""Card gateways: `port` holds our verbs, each other module the one adapter of one vendor."""
