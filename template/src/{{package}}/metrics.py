"""Prometheus metrics of every request, and the page that shows them."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, Histogram, generate_latest

REQUEST_DURATION = Histogram(
    "http_server_request_duration_seconds",
    "Time from a request's first byte to its answer's last, by route.",
    ["method", "route", "status"],
)
REQUESTS_IN_FLIGHT = Gauge("http_server_active_requests", "Requests that have come and are not answered yet.")

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def metrics() -> Response:
    """Every metric in the Prometheus text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
