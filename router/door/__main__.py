"""`python -m signalbox`: the command."""

from .hidden import check

check("router", "providers", "tui")

from router.cli import main  # noqa: E402  # only once it is known that it is ours

if __name__ == "__main__":
    main()
