"""The model that answers now: loaded, watched, exchanged for a newer one, and asked from a bounded pool of threads."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import structlog
from prometheus_client import Counter, Gauge, Histogram

from ..problems import Problem
from ..settings import Settings
from .artefact import Matrix, Model, ModelRefused
from .store import ModelStore

log = structlog.stdlib.get_logger("models")

MODEL_INFO = Gauge("model_info", "1 for the model that answers.", ["version", "sha256"])
MODELS_REFUSED = Counter("models_refused_total", "Models that were found and not taken.")
PREDICTION_DURATION = Histogram(
    "prediction_duration_seconds",
    "Time that the model takes for one request.",
    buckets=(0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
PREDICTION_ROWS = Histogram("prediction_rows", "Rows in one request.", buckets=(1, 4, 16, 64, 256, 1024))
PREDICTIONS = Counter("predictions_total", "Predictions by the class that was most probable.", ["label"])
CONFIDENCE = Histogram(
    "prediction_confidence",
    "Probability of the most probable class.",
    ["label"],
    buckets=(0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1),
)


class Models:
    """Knows the model that was published last, and keeps the one it has if a newer one cannot be used."""

    def __init__(self, settings: Settings) -> None:
        self.model: Model | None = None
        self._settings = settings
        self._store = ModelStore(settings.models)
        self._seen: tuple[object, ...] | None = None
        self._pool = ThreadPoolExecutor(settings.prediction_threads, "prediction")
        self._asked = 0

    async def __aenter__(self) -> Self:
        if self._settings.models_dir is None and self._store.current() is None:
            await asyncio.to_thread(self._train)
        await asyncio.to_thread(self.refresh)
        self._watcher = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watcher.cancel()
        await asyncio.gather(self._watcher, return_exceptions=True)
        self._pool.shutdown()

    async def check(self) -> None:
        """Raise if there is no model to ask."""
        self.loaded()

    async def predict(self, rows: Matrix) -> tuple[Model, Matrix]:
        """Ask the model.

        Returns:
            The model that answered, and the probability of each of its classes for each row.

        Raises:
            Problem: There is no model, or too many requests are waiting for it.
        """
        model = self.loaded()
        if self._asked >= self._settings.prediction_threads + self._settings.prediction_queue:
            raise Problem(503, "Too many predictions are waiting. Try again in a moment.", {"Retry-After": "1"})
        self._asked += 1
        try:
            return model, await asyncio.get_running_loop().run_in_executor(self._pool, _ask, model, rows)
        finally:
            self._asked -= 1

    def refresh(self) -> None:
        """Take the model that should be served, if it is not the one that was looked at last."""
        try:
            wanted = self._settings.model_sha256 or self._store.current()
            seen = self._store.stamp(wanted)
            if seen == self._seen:
                return
            self._seen = seen
            if wanted is None:
                log.warning("no model was published yet", directory=str(self._store.directory))
                return
            model = Model.load(self._store.read(wanted), self._settings.accelerator)
        except Exception as error:
            # Whatever is wrong with a model must not end the service, nor the watch for a better one.
            MODELS_REFUSED.inc()
            log.error("model refused", reason=str(error), still_served=self.model and self.model.version)
            return
        self.model = model
        MODEL_INFO.clear()
        MODEL_INFO.labels(model.version, model.sha256).set(1)
        log.info("model loaded", version=model.version, sha256=model.sha256)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._settings.model_check_seconds)
            await asyncio.to_thread(self.refresh)

    def _train(self) -> None:
        try:
            from .training import train

            train(self._settings, seed=0)
        except (ImportError, ModelRefused) as error:
            log.error("no first model: set MODELS_DIR to where one is published, or run `train`", reason=str(error))

    def loaded(self) -> Model:
        """The model that answers now; a problem if there is none."""
        if self.model is None:
            raise Problem(503, "There is no model yet. Try again in a moment.", {"Retry-After": "5"})
        return self.model


def _ask(model: Model, rows: Matrix) -> Matrix:
    started = time.perf_counter()
    probabilities = model.probabilities(rows)
    PREDICTION_DURATION.observe(time.perf_counter() - started)
    PREDICTION_ROWS.observe(len(rows))
    for row in probabilities:
        label = model.card.classes[row.argmax()]
        PREDICTIONS.labels(label).inc()
        CONFIDENCE.labels(label).observe(float(row.max()))
    return probabilities
