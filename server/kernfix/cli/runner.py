"""``kernfix runner serve|token``: the verification service."""

from __future__ import annotations

import argparse
import ipaddress
import sqlite3
import sys
from pathlib import Path

from kernfix.cli.exits import GOOD, BadInput, Unavailable


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the sub-verbs."""
    verbs = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    serve = verbs.add_parser("serve", help="serve the HTTP API and work on jobs")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument(
        "--port", type=_port, default=8470, help="port to listen on; 0 takes a free one (default: %(default)s)"
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
    try:
        return _make_token(folder, args.name) if args.action == "token" else _serve(folder, args)
    except serve.CannotStart as reason:
        raise Unavailable(f"{reason}.") from None
    except (OSError, sqlite3.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise Unavailable(f"cannot work in {folder}: {why}; name another folder with --state.") from None


def _make_token(folder: Path, name: str) -> int:
    from kernfix.runner import state, tokens

    print(tokens.Tokens(state.State.at(folder).tokens).create(name))
    return GOOD


def _serve(folder: Path, args: argparse.Namespace) -> int:
    from kernfix.runner import serve, state

    if args.embedded and not _is_loopback(args.host):
        raise BadInput("--embedded serves this user alone: it listens on loopback only.")
    where = serve.embedded_state(folder) if args.embedded else state.State.at(folder)
    if not args.embedded:
        _warn_of_no_token(where.tokens)
    serve.serve(where, args.host, args.port, embedded=args.embedded)
    return GOOD


def _port(text: str) -> int:
    """A TCP port. Raises ValueError for the parser, which names the option."""
    port = int(text)
    if not 0 <= port < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text} is no port: they are numbers from 0 to 65535")
    return port


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
