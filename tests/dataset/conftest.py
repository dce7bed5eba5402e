from __future__ import annotations

import sys
from pathlib import Path

# Spawned workers import the data sets of the tests by name.
sys.path.append(str(Path(__file__).parent))
