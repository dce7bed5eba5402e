"""What a run writes stays in its work directory: found before it begins, and refused by the engine too."""

from __future__ import annotations

import pytest

from runner.errors import BuildError
from runner.file_names import leads_out
from runner.hooks import CheckpointHook
from runner.hooks.exception_checkpoint import ExceptionCheckpointHook
from runner.hooks.traces import TbTrace
from runner.visualization import LocalVisBackend

PLACES = {
    "default_hooks.checkpoint.filename_tmpl": (
        "default_hooks: {{checkpoint: {{filename_tmpl: '{}'}}}}",
        lambda name: CheckpointHook(filename_tmpl=name),
        "x_{}.pth",
    ),
    "custom_hooks.0.filename_tmpl": (
        "custom_hooks: [{{type: ExceptionCheckpointHook, filename_tmpl: '{}'}}]",
        lambda name: ExceptionCheckpointHook(filename_tmpl=name),
        "x_{}.pth",
    ),
    "visualizer.vis_backends.0.img_save_dir": (
        "visualizer: {{type: Visualizer, vis_backends: [{{type: LocalVisBackend, img_save_dir: '{}'}}]}}",
        lambda name: LocalVisBackend(img_save_dir=name),
        "x",
    ),
    "visualizer.vis_backends.0.config_save_file": (
        "visualizer: {{type: Visualizer, vis_backends: [{{type: LocalVisBackend, config_save_file: '{}'}}]}}",
        lambda name: LocalVisBackend(config_save_file=name),
        "x.yaml",
    ),
    "visualizer.vis_backends.0.scalar_save_file": (
        "visualizer: {{type: Visualizer, vis_backends: [{{type: LocalVisBackend, scalar_save_file: '{}'}}]}}",
        lambda name: LocalVisBackend(scalar_save_file=name),
        "x.json",
    ),
    "custom_hooks.0.on_trace_ready.dir_name": (
        "custom_hooks: [{{type: ProfilerHook, on_trace_ready: {{type: tb_trace, dir_name: '{}'}}}}]",
        lambda name: TbTrace(dir_name=name),
        "x",
    ),
    "custom_hooks.0.on_trace_ready.worker_name": (
        "custom_hooks: [{{type: ProfilerHook, on_trace_ready: {{type: tb_trace, worker_name: '{}'}}}}]",
        lambda name: TbTrace(worker_name=name),
        "x",
    ),
}
"""By the path of the argument: a config, the component, and a name that is none to refuse."""

WAYS_OUT = ["../{}", "a/../../{}", "~/{}", "..\\\\{}"]


@pytest.mark.parametrize("way", WAYS_OUT)
@pytest.mark.parametrize("path", PLACES)
def test_a_name_that_leads_out_is_found_and_refused(found, path, way):
    text, component, name = PLACES[path]
    bad = way.format(name)
    problems = [each for each in found(text.format(bad)) if each.severity == "error"]
    assert [(each.code, each.path, each.suggestion) for each in problems] == [("leaves-work-dir", path, name)]
    assert problems[0].origin.line == 1
    with pytest.raises(BuildError, match=path.rpartition(".")[2]):
        component(bad)


@pytest.mark.parametrize("path", PLACES)
def test_a_plain_name_is_fine(found, path):
    text, component, name = PLACES[path]
    assert not [each for each in found(text.format(name)) if each.severity == "error"]
    component(name)


def test_an_absolute_name_leads_out_too(found):
    (problem,) = found(PLACES["visualizer.vis_backends.0.img_save_dir"][0].format("/etc/x"))
    assert problem.code == "leaves-work-dir"
    assert all(map(leads_out, ("/x", "C:\\x", "C:x", "\\\\host\\x", "..", "a/..", "~", "a\0b")))
    assert not any(map(leads_out, ("x", "a/b", "..x", "x..", "a/..b/c", "")))


@pytest.mark.parametrize(
    "text",
    [
        "work_dir: /tmp/elsewhere",
        "work_dir: ../elsewhere",
        "default_hooks: {checkpoint: {out_dir: /tmp/elsewhere}, logger: {out_dir: ../elsewhere}}",
        "custom_hooks: [{type: ProfilerHook, json_trace_path: /tmp/trace.json}]",
        "custom_hooks: [{type: ProfilerHook, on_trace_ready: {type: tb_trace, dir_name: /tmp/traces}}]",
        "custom_hooks: [{type: PredictionWriterHook, out_dir: /tmp/predictions}]",
    ],
)
def test_what_may_lie_elsewhere_has_an_argument_of_its_own(found, text):
    assert not found(text)


def test_scalars_of_a_further_file_stay_too(tmp_path):
    backend = LocalVisBackend(str(tmp_path / "run"))
    with pytest.raises(BuildError, match="leads out"):
        backend.add_scalars({"a": 1.0}, file_path="../x.json")
    assert not (tmp_path / "x.json").exists()
