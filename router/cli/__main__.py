"""`python -m router.cli` is `signalbox`."""

from router.cli import main

main()
