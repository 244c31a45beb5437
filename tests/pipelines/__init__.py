"""The pipelines of generated projects, and this repository's own: read, compared and run."""
