"""What a test may expect of an error that a user can fix."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ganaug.errors import UserError


@contextmanager
def refused(*parts: str) -> Iterator[pytest.ExceptionInfo[UserError]]:
    """The block must raise a UserError of one line that holds each of ``parts``."""
    with pytest.raises(UserError) as caught:
        yield caught
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert re.search(re.escape(part), message), f"{part!r} is not in {message!r}"
