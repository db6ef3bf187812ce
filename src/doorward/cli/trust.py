"""Flags for TLS towards a gateway: whom to trust, and which certificate to present."""

import argparse
from typing import NamedTuple

from doorward.cli.exit import CommandError, Exit
from doorward.cli.parser import Parser


class TlsFiles(NamedTuple):
    """PEM files."""

    ca: str | None = None
    """Authorities to trust instead of the system's."""
    cert: str | None = None
    """Our certificate, where the gateway asks for one."""
    key: str | None = None
    """Its key; None: it stands in the same file."""


def add_tls_flags(parser: Parser, *, ca: bool = False) -> None:
    """`--client-cert` and `--client-key`; with `ca`, `--ca` as well."""
    if ca:
        parser.add_argument(
            "--ca", metavar="FILE", help="authorities to trust for an https URL (default: the system's)"
        )
    parser.add_argument(
        "--client-cert", metavar="FILE", help="certificate to present where the gateway asks for one"
    )
    parser.add_argument("--client-key", metavar="FILE", help="key of --client-cert, where it is another file")


def tls_files(args: argparse.Namespace) -> TlsFiles:
    """Raises CommandError(USAGE)."""
    files = TlsFiles(getattr(args, "ca", None), args.client_cert, args.client_key)
    if files.key is not None and files.cert is None:
        raise CommandError(Exit.USAGE, "--client-key goes with --client-cert")
    return files
