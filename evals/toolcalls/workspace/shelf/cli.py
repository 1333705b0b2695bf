"""The command line."""

import argparse
import logging

from shelf.storage.json_file import load_books

log = logging.getLogger(__name__)


def main(argv=None):
    parser = argparse.ArgumentParser(prog="shelf")
    parser.add_argument("command", choices=["list", "lend", "back"])
    parser.add_argument("--verbose", action="store_true")
    args, rest = parser.parse_known_args(argv)
    if args.verbose:
        logging.basicConfig(level=logging.DEBUG)
    if args.command == "list":
        for book in load_books("data/books.json"):
            print(f"{book.title} by {book.author}")
    else:
        log.warning("%s is not there yet: %s", args.command, rest)
