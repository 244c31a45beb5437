"""Settings of the model, of training and of predictions."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from .service import ServiceSettings


class ModelsSettings(ServiceSettings):
    """Where models are, how good they must be, and how much is asked of them at once."""

    models_dir: Path | None = None
    """Where `train` publishes and the service looks. Without it that is in DATA_DIR, and the first start trains."""

    model_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """Serve this model and no other, whichever was published last."""

    model_check_seconds: Annotated[float, Field(gt=0)] = 5
    """How often to look for a newly published model."""

    min_accuracy: Annotated[float, Field(ge=0, le=1)] = 0.9
    """What a new model must reach on the hold-out to be published."""

    max_batch: Annotated[int, Field(ge=1)] = 256
    """How many predictions one request may ask for."""

    prediction_threads: Annotated[int, Field(ge=1)] = 2
    prediction_queue: Annotated[int, Field(ge=0)] = 100
    """How many requests may wait for one of the threads; any more are told to come back."""

    accelerator: Literal["cpu", "cuda"] = "cpu"
    """With `cuda`, a model that cannot run on the GPU is refused instead of running slowly on the CPU."""

    @property
    def models(self) -> Path:
        """Where models are, in either case."""
        return self.models_dir or self.data_dir / "models"
