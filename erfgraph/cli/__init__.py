"""The command line: parse, call, print. Bad input is one line and exit status 2."""

from __future__ import annotations

import os
import sys

from erfgraph.errors import ErfgraphError

BAD_INPUT = 2
INTERRUPTED = 130

_given: list[str] = []  # the arguments of this process' command


def command_line() -> str:
    """The command that is running, as one could type it."""
    import shlex

    return shlex.join(["erfgraph", *_given])


def main(arguments: list[str] | None = None) -> int:
    """Run a command line and return its exit status.

    Parameters
    ----------
    arguments : list of str, optional
        Default those of the process.

    Returns
    -------
    int
        0; 2 for bad input; 130 after Ctrl-C.
    """
    from erfgraph.cli.app import app

    _given[:] = sys.argv[1:] if arguments is None else arguments
    try:
        status = app(arguments, standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except ErfgraphError as error:
        return _refuse(str(error))
    except MemoryError:
        return _refuse("not enough memory for this request")
    except KeyboardInterrupt:
        print("erfgraph: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as left:
        # what click makes of a reader that left before a long output was written
        if isinstance(left.__context__, BrokenPipeError):
            return 0
        raise
    except Exception as error:
        # usage errors of typer know how to say themselves; their class moved between versions
        if type(error).__name__ in ("Abort", "Exit"):
            return int(getattr(error, "exit_code", INTERRUPTED))
        if not hasattr(error, "format_message"):
            raise
        return _refuse(error.format_message())


def _refuse(message: str) -> int:
    print(f"erfgraph: error: {' '.join(message.split())}", file=sys.stderr)
    return BAD_INPUT


def run() -> None:
    """Entry point of the console script."""
    sys.exit(main())
