"""Check that ``import tinygrad_cnn`` takes under 0.2 s: the best of five new processes."""

from __future__ import annotations

import os
import subprocess
import sys

LIMIT = 0.2
CODE = "import time; t = time.perf_counter(); import tinygrad_cnn; print(time.perf_counter() - t)"

# as usual, compiled modules are kept for the next process
environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
best = min(
    float(
        subprocess.run(
            [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env=environment
        ).stdout
    )
    for _ in range(5)
)
print(f"import tinygrad_cnn: {best:.3f} s")
sys.exit(best > LIMIT)
