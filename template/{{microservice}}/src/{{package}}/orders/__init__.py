"""Orders: placed with the API, decided by the worker; an example, to be replaced by the service's first real one."""
