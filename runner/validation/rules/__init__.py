"""What a schema can't say: each rule is a function from a `Context` to problems, with a page for `runner explain`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runner.errors import Problem
from runner.validation.rules.arguments import exclusive_arguments
from runner.validation.rules.averages import exclusive_hooks
from runner.validation.rules.batch_size import base_batch_size
from runner.validation.rules.clipping import clipping_limit
from runner.validation.rules.context import Context, Marks, origin_of
from runner.validation.rules.counting import by_epoch_unit
from runner.validation.rules.distributed import backend_without_gpu, half_precision
from runner.validation.rules.duplicates import duplicate_hook, only_once
from runner.validation.rules.hooks import hook_arguments
from runner.validation.rules.initializers import initializer_without_layer
from runner.validation.rules.intervals import interval_beyond_run
from runner.validation.rules.loaders import (
    batch_sampler_overrides,
    called_with,
    endless_sampler,
    no_batches,
    order_of_its_own,
    workers_needed,
)
from runner.validation.rules.logs import backend_twice, log_pattern, log_twice, log_window, metric_twice
from runner.validation.rules.loops import oom_split, type_and_by_epoch
from runner.validation.rules.milestones import scheduler_milestones
from runner.validation.rules.monitors import metric_direction, metric_without_validation, unknown_metric
from runner.validation.rules.names import leaves_work_dir
from runner.validation.rules.optimizers import custom_key_pattern, optimizer_arguments, optimizer_name
from runner.validation.rules.paths import path_not_found
from runner.validation.rules.periods import scheduler_arguments, scheduler_period
from runner.validation.rules.profiling import profiler_window
from runner.validation.rules.rollback import nothing_to_go_back_to
from runner.validation.rules.schedulers import scheduler_without_optimizer
from runner.validation.rules.storages import unknown_storage
from runner.validation.rules.stores import remote_checkpoints
from runner.validation.rules.strategies import skip_init_weights, strategy_arguments
from runner.validation.rules.triples import not_built_together
from runner.validation.rules.variables import field_under_vars
from runner.validation.rules.windows import (
    scheduler_gap,
    scheduler_jump,
    scheduler_overlap,
    scheduler_window,
)

__all__ = ["RULES", "Context", "Marks", "origin_of"]

RULES: tuple[Callable[[Context], Iterator[Problem]], ...] = (
    not_built_together,
    type_and_by_epoch,
    oom_split,
    scheduler_without_optimizer,
    base_batch_size,
    by_epoch_unit,
    scheduler_window,
    scheduler_period,
    scheduler_arguments,
    scheduler_jump,
    scheduler_overlap,
    scheduler_gap,
    scheduler_milestones,
    interval_beyond_run,
    unknown_metric,
    metric_without_validation,
    metric_direction,
    exclusive_hooks,
    profiler_window,
    nothing_to_go_back_to,
    remote_checkpoints,
    leaves_work_dir,
    unknown_storage,
    endless_sampler,
    batch_sampler_overrides,
    order_of_its_own,
    no_batches,
    called_with,
    workers_needed,
    custom_key_pattern,
    optimizer_name,
    optimizer_arguments,
    duplicate_hook,
    only_once,
    hook_arguments,
    exclusive_arguments,
    clipping_limit,
    backend_without_gpu,
    half_precision,
    log_twice,
    log_window,
    log_pattern,
    backend_twice,
    metric_twice,
    path_not_found,
    field_under_vars,
    initializer_without_layer,
    strategy_arguments,
    skip_init_weights,
)
