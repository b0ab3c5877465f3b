"""Cards beside payments: keeping one without a charge, and the limits that stop those who try stolen ones."""
