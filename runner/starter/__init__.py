"""Starting configs: `runner init TASK` writes one from what is installed.

`tasks` lists the tasks and what each is made of, `components` writes one component with its arguments and their meaning,
`placeholders` finds values for what has to be given, `text` lays lines and comments out. `own_code` is the Python file
of the task `custom`.
"""

from __future__ import annotations

from runner.starter.tasks import TASKS, Choices, Task, start

__all__ = ["TASKS", "Choices", "Task", "start"]
