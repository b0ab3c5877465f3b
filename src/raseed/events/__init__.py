"""What the operator's service is told of: facts put into an outbox in the transaction that makes them true."""
