"""Messages: published by the API, kept by a broker, handled by the worker at least once and with the effect of once."""
