"""The service's own routes; add those of a new resource here."""

from fastapi import APIRouter

from .items.routes import router as items

router = APIRouter()
router.include_router(items)
