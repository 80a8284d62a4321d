"""What the tests of search share: a shelf in a fresh tenant, to put things on and find them."""

import pytest_asyncio

from moothill.moot import Moot

from .shelf import Shelf, shelf_of


@pytest_asyncio.fixture
async def shelf(moot: Moot) -> Shelf:
    """A shelf in a fresh tenant."""
    return await shelf_of(moot)


@pytest_asyncio.fixture
async def other_shelf(other: Moot) -> Shelf:
    """A shelf in a second fresh tenant: the stranger."""
    return await shelf_of(other)
