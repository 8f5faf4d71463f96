"""``kernfix runner serve|token``: the verification service."""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
from pathlib import Path

from kernfix.cli.exits import GOOD, BadInput, Unavailable


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the sub-verbs."""
    verbs = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    serve = verbs.add_parser("serve", help="serve the HTTP API and work on jobs")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument(
        "--port", type=int, default=8470, help="port to listen on; 0 takes a free one (default: %(default)s)"
    )
    serve.add_argument(
        "--embedded", action="store_true", help="for editors: own token, local trees, end with standard input"
    )
    token = verbs.add_parser("token", help="make a bearer token, shown once")
    token.add_argument("name", help="whose token it is, to tell tokens apart")
    for each in (serve, token):
        each.add_argument("--state", type=Path, help="the runner's folder (default: kernfix/runner in the XDG cache)")


def run(args: argparse.Namespace) -> int:
    """Serve, or make a token."""
    try:
        from kernfix.runner import serve, state
    except ModuleNotFoundError as missing:
        raise Unavailable(
            f"the runner is not installed ({missing.name} is missing): pip install 'kernfix[runner]'."
        ) from None
    folder = args.state or state.cache_home() / "kernfix" / "runner"
    if args.action == "token":
        from kernfix.runner.tokens import Tokens

        print(Tokens(state.State.at(folder).tokens).create(args.name))
        return GOOD
    if args.embedded and not _is_loopback(args.host):
        raise BadInput("--embedded serves this user alone: it listens on loopback only.")
    where = serve.embedded_state(folder) if args.embedded else state.State.at(folder)
    if not args.embedded:
        _warn_of_no_token(where.tokens)
    try:
        serve.serve(where, args.host, args.port, embedded=args.embedded)
    except serve.AlreadyRunning as running:
        raise Unavailable(f"{running}.") from None
    except OSError as error:
        raise Unavailable(f"cannot listen on {args.host}:{args.port}: {os.strerror(error.errno or 0)}.") from None
    return GOOD


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _warn_of_no_token(path: Path) -> None:
    if not path.exists():
        print(
            "kernfix runner: no token exists yet, so no request is accepted; make one: kernfix runner token NAME",
            file=sys.stderr,
        )
