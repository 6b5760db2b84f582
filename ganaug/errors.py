"""Mistakes that the person at the keyboard can mend."""


class UserError(Exception):
    """Bad input or usage, told in one line: the rule, the value received and the mend. Exit code 2, no traceback."""
