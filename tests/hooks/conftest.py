from __future__ import annotations

import sys
from pathlib import Path

# Tests of this folder share a small run, and processes that are spawned import it by name.
sys.path.append(str(Path(__file__).parent))
