"""`raseed demo`: everything on one machine, with an operator and accounts that never existed. No real money."""
