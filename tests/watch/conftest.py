from __future__ import annotations

import sys
from pathlib import Path

# Tests of this folder share how they launch runs.
sys.path.append(str(Path(__file__).parent))
