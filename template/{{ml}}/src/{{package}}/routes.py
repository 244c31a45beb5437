"""The service's own routes; add those of a new resource here."""

from fastapi import APIRouter

from .predictions.routes import router as predictions

router = APIRouter()
router.include_router(predictions)
