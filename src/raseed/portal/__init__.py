"""The door of people: the pages that an account's users and the operator's staff see in a browser."""
