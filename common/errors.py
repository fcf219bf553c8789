"""The one exception whose message is meant for the person at the terminal."""

import os
import sys
from collections.abc import Callable


class UserError(Exception):
    """Something the user can mend: the message is one line that says what, where and what to do."""


def terminal_safe(text: str) -> str:
    """`text` on one line, with every character that could steer a terminal written as an escape.

    File names and titles come from outside: a title may hold line breaks, escape sequences or marks that
    turn the direction of writing.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def run_command(command: Callable[[], None]) -> int:
    """Run a command-line entry point; return 0, or 2 after printing a `UserError` as one line."""
    try:
        command()
    except UserError as error:
        print(f"error: {terminal_safe(str(error))}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever reads the output has seen enough; the interpreter's own last flush must not fail on it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("stopped: nothing was kept of the step in hand", file=sys.stderr)
        return 130
    return 0
