"""Train a model and publish it if it is good enough; the service takes it up without a restart."""

import argparse
import sys

from ..settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--seed", type=int, default=0, help="what chance is drawn from; the same seed, the same model")


def run(settings: Settings, options: argparse.Namespace) -> None:
    """Train, and return when the model is published.

    Raises:
        SystemExit: With 1 if the model is not good enough, with 2 if the libraries for training are not installed.
    """
    try:
        from ..models.training import NotGoodEnough, train
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed: train in the image `train`, or with `uv run`.", file=sys.stderr)
        raise SystemExit(2) from None
    try:
        train(settings, options.seed)
    except NotGoodEnough as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None
