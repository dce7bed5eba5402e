"""What a run will do, shown without running it: schedules, validations, saves, hooks, parameter groups.

- `plan.py`: `Plan` and `make_plan`, what is known about a run, and from what
- `parts.py`: the parts that a plan is made from, built, and stand-ins for the others
- `walk.py`: the loop, the schedules and the checkpoint hook, gone through step by step with nothing to train
- `sampling.py`: which points of a long schedule are kept
- `report.py`: a plan for people; `canvas.py`: a curve in a terminal; `drawing.py`: a picture
"""

from __future__ import annotations

from runner.plan.plan import Plan, make_plan

__all__ = ["Plan", "make_plan"]
