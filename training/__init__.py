"""Fine-tuning in plain PyTorch: a library, a command line and a worker. Knows nothing of Django."""

from __future__ import annotations
