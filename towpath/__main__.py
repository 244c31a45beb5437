"""`python -m towpath` is the console script."""

from .cli import main

main()
