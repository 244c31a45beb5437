"""Predictions and the model behind them."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Request

from ..models.artefact import ModelDescription
from ..models.serving import Models
from ..problems import Problem
from .schemas import FEATURES, Prediction, PredictionRequest, Predictions

router = APIRouter(tags=["predictions"])


def _models(request: Request) -> Models:
    models: Models = request.state.models
    return models


@router.post("/predictions")
async def predict(
    asked: PredictionRequest, models: Annotated[Models, Depends(_models)], request: Request
) -> Predictions:
    """Say which grower each wine comes from."""
    largest = request.app.state.settings.max_batch
    if len(asked.instances) > largest:
        raise Problem(413, f"{len(asked.instances)} predictions are too many for one request: ask for up to {largest}.")
    rows = np.array([[getattr(wine, name) for name in FEATURES] for wine in asked.instances], np.float32)
    model, probabilities = await models.predict(rows)
    classes = model.card.classes
    return Predictions(
        model=model.version,
        predictions=[
            Prediction(label=classes[row.argmax()], probabilities=dict(zip(classes, row.tolist(), strict=True)))
            for row in probabilities
        ],
    )


@router.get("/model")
async def describe(models: Annotated[Models, Depends(_models)]) -> ModelDescription:
    """Say what the model is that answers now."""
    return models.loaded().describe()
