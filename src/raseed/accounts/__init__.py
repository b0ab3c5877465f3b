"""Accounts and their people: who the operator is, who the accounts are, who may do what."""
