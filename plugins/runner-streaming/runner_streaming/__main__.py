"""`python -m runner_streaming`: write an index of shards."""

from __future__ import annotations

from runner_streaming.index import main

if __name__ == "__main__":
    main()
