"""The balance explained, and what follows from it: suspension and restoring."""
