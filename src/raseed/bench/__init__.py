"""`raseed bench`: how fast is it, on a durable database of its own. It measures the product and is no part of it."""
