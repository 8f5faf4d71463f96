"""The ``kernfix`` command: finds the verb's module, parses its arguments, turns user errors into one sentence.

Each verb is a module of this package with ``configure(parser)`` and ``run(args) -> int``; it is imported only when it is the one asked
for, because an editor starts ``kernfix lsp`` and should not wait for the others.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from kernfix import __version__
from kernfix.cli import exits
from kernfix.cli.terminal import printable

VERBS = {
    "parse": "find the crashes in console logs",
    "locate": "find the code of each frame in a kernel tree",
    "index": "make or refresh the index of a kernel tree, for quick answers",
    "fix": "propose checked fixes, and verify them if asked",
    "verify": "build, boot and judge a tree or a patch",
    "runner": "run the verification service",
    "lsp": "run the language server on stdio",
    "doctor": "say what works on this machine and what is missing",
    "demo": "the whole loop on a real kernel, no account or key needed",
}


def main(argv: list[str] | None = None) -> int:
    """Run one verb; the exit codes are those of `kernfix.cli.exits`."""
    words = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="kernfix", description="From a Linux kernel crash log to a verified fix.")
    parser.add_argument("--version", action="version", version=f"kernfix {__version__}")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    asked = next((word for word in words if not word.startswith("-")), None)
    for verb, summary in VERBS.items():
        subparser = subparsers.add_parser(verb, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if verb == asked:
            importlib.import_module(f"kernfix.cli.{verb}").configure(subparser)
    args = parser.parse_args(words)
    try:
        return int(importlib.import_module(f"kernfix.cli.{args.verb}").run(args))
    except exits.Failure as failure:
        print(f"kernfix {args.verb}: {printable(str(failure))}", file=sys.stderr)
        return failure.code
    except KeyboardInterrupt:
        print(f"kernfix {args.verb}: cancelled", file=sys.stderr)
        return exits.CANCELLED
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not an error, and nothing may be flushed to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.GOOD
