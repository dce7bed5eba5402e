"""MMEngine's small functions that other packages import and that have no plain standard equivalent.

What has one is listed in docs/coming-from-mmengine.md. `dl_utils` is what needs torch.
"""

from __future__ import annotations

from runner.utils.manager import ManagerMeta, ManagerMixin
from runner.utils.methods import deprecated_api_warning, deprecated_function, has_method, is_method_overridden
from runner.utils.path import get_installed_path, is_abs, is_installed, mkdir_or_exist, scandir, symlink
from runner.utils.progressbar import ProgressBar, track_iter_progress, track_parallel_progress, track_progress
from runner.utils.progressbar_rich import track_progress_rich
from runner.utils.sequences import (
    apply_to,
    concat_list,
    is_list_of,
    is_seq_of,
    is_tuple_of,
    slice_list,
    to_1tuple,
    to_2tuple,
    to_3tuple,
    to_4tuple,
    to_ntuple,
)
from runner.utils.timer import Timer, TimerError, check_time
from runner.utils.version_utils import digit_version, get_git_hash

__all__ = [
    "ManagerMeta",
    "ManagerMixin",
    "ProgressBar",
    "Timer",
    "TimerError",
    "apply_to",
    "check_time",
    "concat_list",
    "deprecated_api_warning",
    "deprecated_function",
    "digit_version",
    "get_git_hash",
    "get_installed_path",
    "has_method",
    "is_abs",
    "is_installed",
    "is_list_of",
    "is_method_overridden",
    "is_seq_of",
    "is_tuple_of",
    "mkdir_or_exist",
    "scandir",
    "slice_list",
    "symlink",
    "to_1tuple",
    "to_2tuple",
    "to_3tuple",
    "to_4tuple",
    "to_ntuple",
    "track_iter_progress",
    "track_parallel_progress",
    "track_progress",
    "track_progress_rich",
]
