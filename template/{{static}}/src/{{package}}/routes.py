"""The service's own routes; add those of a new resource here."""

from fastapi import APIRouter, Depends

from .items.pages import router as items
from .security import refuse_other_sites

router = APIRouter(dependencies=[Depends(refuse_other_sites)], include_in_schema=False)
router.include_router(items)
