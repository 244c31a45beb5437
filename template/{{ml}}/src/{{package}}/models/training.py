"""Training: a data set goes in, and a model comes out if it is good enough.

Replace `load` and `fit` by your own; the rest stays the same for any classifier that scikit-learn can train.
"""

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray
from onnx import ModelProto
from onnx.helper import set_model_props
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from ..predictions.schemas import FEATURES
from ..settings import Settings
from .artefact import CARD, FORMAT, INPUT, OUTPUT, Card, Matrix, Model, ModelRefused, create_session, versions
from .store import ModelStore

log = structlog.stdlib.get_logger("training")

# The same for every seed, so that no seed gets an easier examination than another.
HOLD_OUT_SEED = 1
HOLD_OUT_SHARE = 0.3


class NotGoodEnough(ModelRefused):
    """A new model that is not worth publishing."""


@dataclass(frozen=True)
class Data:
    """Examples with their classes."""

    rows: Matrix
    labels: NDArray[np.int64]
    features: tuple[str, ...]
    classes: tuple[str, ...]

    def sha256(self) -> str:
        """Tells whether two models were trained on the same data."""
        names = "\n".join((*self.features, *self.classes)).encode()
        return hashlib.sha256(names + self.rows.tobytes() + self.labels.tobytes()).hexdigest()


def train(settings: Settings, seed: int) -> Model:
    """Train a model, evaluate it and publish it; the same data, seed and libraries give the same file.

    Raises:
        NotGoodEnough: Its accuracy is below MIN_ACCURACY. Nothing was published.
    """
    data = load()
    rows, unseen_rows, labels, unseen_labels = train_test_split(
        data.rows, data.labels, test_size=HOLD_OUT_SHARE, random_state=HOLD_OUT_SEED, stratify=data.labels
    )
    # With one thread sums are made in the same order on any machine.
    with threadpool_limits(1):
        graph = fit(rows, labels, seed)
    metrics = evaluate(graph, unseen_rows, unseen_labels)
    if metrics["accuracy"] < settings.min_accuracy:
        raise NotGoodEnough(
            f"The accuracy on {len(unseen_labels)} cases that the model had not seen is {metrics['accuracy']:g}, below "
            f"MIN_ACCURACY, {settings.min_accuracy:g}. Nothing was published."
        )
    card = Card(
        format=FORMAT,
        version=version(__name__.partition(".")[0]),
        features=data.features,
        classes=data.classes,
        metrics=metrics,
        seed=seed,
        data_sha256=data.sha256(),
        libraries=versions("numpy", "onnx", "scikit-learn", "skl2onnx"),
    )
    set_model_props(graph, {CARD: card.model_dump_json()})
    content = graph.SerializeToString(deterministic=True)
    # Loaded as the service will load it, so that nothing is published that would be refused.
    model = Model.load(content)
    ModelStore(settings.models).publish(content)
    log.info("model published", version=model.version, sha256=model.sha256, directory=str(settings.models), **metrics)
    return model


def load() -> Data:
    """The chemical analysis of 178 wines of three growers in one region of Italy; it comes with scikit-learn."""
    wines: Any = load_wine()
    return Data(
        rows=wines.data.astype(np.float32),
        labels=wines.target.astype(np.int64),
        features=FEATURES,
        classes=("grower_1", "grower_2", "grower_3"),
    )


def fit(rows: Matrix, labels: NDArray[np.int64], seed: int) -> ModelProto:
    """Train on these examples."""
    network = MLPClassifier(hidden_layer_sizes=(16,), solver="lbfgs", alpha=1.0, max_iter=1000, random_state=seed)
    pipeline = make_pipeline(StandardScaler(), network).fit(rows, labels)
    inputs = [(INPUT, FloatTensorType([None, rows.shape[1]]))]
    graph: ModelProto = to_onnx(pipeline, initial_types=inputs, options={"zipmap": False})
    # The export lists the versions of its operators in the order of a set, which differs between processes.
    graph.opset_import.sort(key=lambda opset: opset.domain)
    return graph


def evaluate(graph: ModelProto, rows: Matrix, labels: NDArray[np.int64]) -> dict[str, float]:
    """What the exported model, which is what will answer, makes of examples that it has not seen."""
    probabilities = create_session(graph.SerializeToString()).run([OUTPUT], {INPUT: rows})[0]
    of_the_truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return {
        "accuracy": round(float((probabilities.argmax(axis=1) == labels).mean()), 6),
        "log_loss": round(float(-np.log(of_the_truth.clip(1e-15)).mean()), 6),
    }
