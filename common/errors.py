"""The one exception whose message is meant for the person at the terminal."""

import os
import sys
from collections.abc import Callable, Iterable

# Characters: longer than these, a name, a list of names and a line hide what they are to say.
MOST_NAME, MOST_LIST, MOST_LINE = 60, 300, 500
MOST_LISTED = 10
# What to do stands at the end of a line.
KEPT_END = 200


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


def listed(names: Iterable[str]) -> str:
    """The first of some names, as a message lists them, and how many more there are."""
    names = list(names)
    shown = [shortened(name) for name in names[:MOST_LISTED]]
    while len(shown) > 1 and len(", ".join(shown)) > MOST_LIST:
        shown.pop()
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def shortened(text: str, most: int = MOST_NAME) -> str:
    """`text`, its end cut off where it is longer than `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def run_command(command: Callable[[], None]) -> int:
    """Run a command-line entry point; return 0, or 2 after printing a `UserError` as one line."""
    try:
        command()
    except UserError as error:
        return _tell(str(error))
    except MemoryError:
        return _tell(
            "memory ran out: nothing was kept of the step in hand; close other programs or raise the limit "
            "(ulimit -v), and run it again"
        )
    except BrokenPipeError:
        # Whoever reads the output has seen enough; the interpreter's own last flush must not fail on it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("stopped: nothing was kept of the step in hand", file=sys.stderr)
        return 130
    return 0


def _tell(message: str) -> int:
    line = terminal_safe(message)
    if len(line) > MOST_LINE:
        line = f"{line[: MOST_LINE - KEPT_END - 3]} … {line[-KEPT_END:]}"
    print(f"error: {line}", file=sys.stderr)
    return 2
