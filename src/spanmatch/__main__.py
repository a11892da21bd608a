"""python -m spanmatch."""

from .cli.commands import main

main()
