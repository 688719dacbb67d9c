"""Fine-tuning in plain PyTorch: a library, a command line and a worker. Knows nothing of Django."""

from __future__ import annotations

import os

# A thread of torch that waits for its neighbours spins, by default so long that on cores shared with others
# whole time slices go: a training step on two busy cores took 5 s instead of 0.7 s. A short spin keeps what
# spinning is good for. libgomp reads this once, when torch is loaded; whoever has set it is obeyed.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
