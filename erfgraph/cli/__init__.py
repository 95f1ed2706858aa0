"""The command line: parse, call, print. Bad input is one line and exit status 2."""

from __future__ import annotations

import codecs
import io
import os
import sys
from pathlib import Path

from erfgraph.errors import ErfgraphError

BAD_INPUT = 2
INTERRUPTED = 130
_ASCII = {
    "×": "x",
    "·": "*",
    "…": "...",
    "√": "sqrt",
    "–": "-",
    "−": "-",
    "±": "+-",
    "≥": ">=",
    "≤": "<=",
}

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
    _given[:] = sys.argv[1:] if arguments is None else arguments
    try:
        from erfgraph.cli.app import app  # takes long enough to be interrupted

        status = app(arguments, standalone_mode=False)
        sys.stdout.flush()
    except ErfgraphError as error:
        return _refuse(str(error))
    except MemoryError:
        return _refuse("not enough memory for this request")
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe left, as `| head` does
        _leave_output()
        return 0
    except OSError as error:  # what commands read and write is ErfgraphError: this is the output
        _leave_output()
        return _refuse(f"{error.filename or 'standard output'}: {error.strerror or error}")
    except SystemExit as left:
        # what click makes of a reader that left before a long output was written
        if isinstance(left.__context__, BrokenPipeError):
            return 0
        raise
    except Exception as error:
        # usage errors of typer know how to say themselves; their class moved between versions
        if type(error).__name__ in ("Abort", "Exit"):
            status = int(getattr(error, "exit_code", INTERRUPTED))
        elif hasattr(error, "format_message"):
            said = error.format_message()
            return _refuse(said) if said else 0  # without arguments the help is printed, no more
        else:
            raise
    if status == INTERRUPTED:  # typer makes it of Ctrl-C
        print("erfgraph: interrupted", file=sys.stderr)
    return status if isinstance(status, int) else 0


def _refuse(message: str) -> int:
    print(f"erfgraph: error: {' '.join(message.split())}", file=sys.stderr)
    return BAD_INPUT


def _leave_output() -> None:
    """Write no more: what is left to write would fail once more at the end of the process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run() -> None:
    """Entry point of the console script."""
    _open_outputs()
    # no window is opened: a name in it that matplotlib does not know would stop figures
    os.environ["MPLBACKEND"] = "agg"
    if "_ERFGRAPH_COMPLETE" in os.environ:  # a shell asks, and takes each line for an answer
        os.environ["COLUMNS"] = "9999"
    sys.exit(main())


def _open_outputs() -> None:
    """Something to print to if there is nothing, and signs that an old encoding has not."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as `>&-` does
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115
    codecs.register_error("erfgraph", _in_ascii)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="erfgraph")


def _in_ascii(error: UnicodeError) -> tuple[bytes, int]:
    """Signs that an encoding has not, by ones that all have; bytes of file names as they are."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    # a loop, as the command `map` is a module of this package, and its name here
    return b"".join(_sign_in_ascii(sign) for sign in signs), error.end


def _sign_in_ascii(sign: str) -> bytes:
    if "\udc80" <= sign <= "\udcff":  # so Python holds a byte that is no character
        return bytes([ord(sign) - 0xDC00])
    return _ASCII.get(sign, "?").encode()
