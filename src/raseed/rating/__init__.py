"""Rating: what a quantity costs at a price. Pure and exact: no float, no clock, no database, no file."""
