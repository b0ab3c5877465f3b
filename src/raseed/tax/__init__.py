"""Tax: when it falls and how much. Pure arithmetic over the operator's tax profile."""
