"""Papers: numbered without a gap, issued from frozen copies, rendered once."""
