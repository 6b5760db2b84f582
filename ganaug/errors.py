"""Errors the user can fix."""


class UserError(Exception):
    """Bad input or usage, in one line: the rule, the value received and the fix. Exit code 2, no traceback."""
