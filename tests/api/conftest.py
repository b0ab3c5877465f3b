"""A company, and programs with keys."""

import pytest

from api.keyed import Program, program
from people import Company, make_company, make_operator


@pytest.fixture
def company(db: None) -> Company:
    make_operator()
    return make_company()


@pytest.fixture
def operator(company: Company) -> Program:
    """A program of the operator's."""
    return program()


@pytest.fixture
def own(company: Company) -> Program:
    """A program of the account's."""
    return program(company.account.id)
