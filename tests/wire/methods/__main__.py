"""Write docs/hfapi.md.

python -m tests.wire.methods
"""

from __future__ import annotations

from tests.wire.methods.page import PAGE, render

if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
