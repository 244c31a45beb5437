"""The service's own routes; add those of a new resource here."""

from fastapi import APIRouter

from .orders.routes import router as orders

router = APIRouter()
router.include_router(orders)
