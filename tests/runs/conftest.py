from __future__ import annotations

import sys
from pathlib import Path

# The tests of this folder share a model and a data set, and processes that are spawned import them by name.
sys.path.append(str(Path(__file__).parent))
