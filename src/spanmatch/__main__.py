"""python -m spanmatch."""

from .cli import main

main()
