"""Double-entry books in millionths: chart, models, the one writer over its SQL function, reading, verifying."""
