"""``kernfix lsp``: the language server on standard input and output."""

from __future__ import annotations

import argparse

from kernfix.cli import exits


def configure(parser: argparse.ArgumentParser) -> None:
    """The transport is always stdio; clients like to say so."""
    parser.add_argument("--stdio", action="store_true", help="the only transport, and the default")


def run(args: argparse.Namespace) -> int:
    """Serve until the client ends the session or closes the pipe; the latter without the former is a failure, says the protocol."""
    from kernfix.lsp import server

    return exits.GOOD if server.serve() else exits.NO
