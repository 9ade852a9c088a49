"""The one exception a person is meant to read: it ends a command with one line and exit code 2."""


class UserError(Exception):
    """Something the user can put right; the message says what is wrong and what to do."""
