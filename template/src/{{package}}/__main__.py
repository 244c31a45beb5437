"""`python -m` runs what the console script runs."""

from .cli import main

main()
