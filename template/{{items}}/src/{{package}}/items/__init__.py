"""Items: one resource from end to end, to be replaced by the service's first real one."""
