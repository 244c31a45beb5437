"""Models: how they are trained, kept and run."""

import os

# ONNX Runtime's official builds report what they do to their maker unless told otherwise before they are loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
