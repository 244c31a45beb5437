"""OpenTelemetry traces, when OTEL_EXPORTER_OTLP_ENDPOINT says where to send them; without it nothing is loaded."""

from importlib.metadata import entry_points

from fastapi import FastAPI

from .settings import Settings


def install(app: FastAPI, settings: Settings) -> None:
    """Trace every request, and the calls of each library whose instrumentation is among the dependencies."""
    if not settings.otel_exporter_otlp_endpoint:
        return

    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    defaults = Resource({"service.name": app.title, "service.version": app.version})
    provider = TracerProvider(resource=defaults.merge(Resource.create()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    FastAPIInstrumentor.instrument_app(app, excluded_urls="livez,readyz,metrics")
    for instrumentation in entry_points(group="opentelemetry_instrumentor"):
        if instrumentation.name != "fastapi":
            instrumentation.load()().instrument()
