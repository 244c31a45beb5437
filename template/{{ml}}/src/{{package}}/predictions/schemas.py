"""What callers send and get. The fields of `Wine` are the features of the model: a model with others is refused."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict

# Models calculate with 32 bits; anything larger would become infinite on its way to them.
LARGEST = 3.4e38

Measurement = Annotated[float, Strict(), Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]


class Wine(BaseModel):
    """The chemical analysis of a wine."""

    model_config = ConfigDict(extra="forbid")

    alcohol: Measurement
    malic_acid: Measurement
    ash: Measurement
    alcalinity_of_ash: Measurement
    magnesium: Measurement
    total_phenols: Measurement
    flavanoids: Measurement
    nonflavanoid_phenols: Measurement
    proanthocyanins: Measurement
    color_intensity: Measurement
    hue: Measurement
    od280_od315_of_diluted_wines: Measurement
    proline: Measurement


FEATURES = tuple(Wine.model_fields)


class PredictionRequest(BaseModel):
    """One wine or several."""

    model_config = ConfigDict(extra="forbid")

    instances: Annotated[list[Wine], Field(min_length=1)]


class Prediction(BaseModel):
    """What the model makes of one wine."""

    label: str
    probabilities: dict[str, float]


class Predictions(BaseModel):
    """An answer for each wine, in the same order."""

    model: str
    """The version of the model that answered."""
    predictions: list[Prediction]
