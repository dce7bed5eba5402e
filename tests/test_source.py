"""What the source must not do, held against its syntax trees.

A config and a checkpoint are data: no string from either is imported, evaluated, or looked up in a module. Every place
that could do so is listed here with the reason why it does not; the lists are exact, so a new place has to be thought
about.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import runner
from runner import registry
from runner.kinds import KINDS, registries
from runner.plugin import Catalog, Registration

ROOT = Path(runner.__file__).parent
TREES = {file.relative_to(ROOT).as_posix(): ast.parse(file.read_text("utf-8")) for file in sorted(ROOT.rglob("*.py"))}

IMPORTERS = {
    "__import__",
    "eval",
    "exec",
    "exec_module",
    "execfile",
    "find_class",
    "find_spec",
    "import_module",
    "load_module",
    "module_from_spec",
    "resolve_name",
    "run_module",
    "run_path",
    "spec_from_file_location",
}
"""What imports or runs something by a string, as a bare name or as an attribute."""

ALLOWED_IMPORTS = {
    ("__init__.py", "__getattr__", "importlib.import_module(home)"): "our own module, from the table of public names",
    ("hooks/__init__.py", "__getattr__", "import_module(home)"): "our own module, from the table of hooks",
    ("cli/app.py", "LazyGroup.get_command", "importlib.import_module(f'runner.cli.{name}')"): (
        "our own module: the name is a key of COMMANDS"
    ),
    ("dist/rank.py", "main", "runpy.run_module('runner', run_name='__main__')"): "ourselves",
    ("build.py", "load_entry", "importlib.import_module(module)"): (
        "the target that a catalog entry gives: a plugin's, or one of `custom_imports`, the one exception"
    ),
    ("conversion.py", "_make", "importlib.import_module(module)"): (
        "an enum's or a dataclass's home, from a constructor's annotation"
    ),
    ("custom_imports.py", "_import_package", "importlib.import_module(name)"): "`custom_imports`: the one exception",
    ("custom_imports.py", "_import_file", "importlib.import_module(file.stem)"): "`custom_imports`: the one exception",
    ("registry/registry.py", "Registry.import_from_location", "importlib.import_module(self._locations.pop(0))"): (
        "the `locations` that the code which makes a registry gives"
    ),
    ("signature/locate.py", "find_top", "importlib.util.find_spec(name)"): (
        "imports nothing: a top-level name, from a plugin's target or from source text"
    ),
    ("signature/locate.py", "find_top", "importlib.machinery.PathFinder.find_spec(name)"): "as above",
    ("visualization/optional.py", "require", "find_spec(package)"): (
        "imports nothing: sees whether an optional package is there, by a name from a table"
    ),
    ("validation/rules/stores.py", "_problem", "find_spec(package)"): (
        "imports nothing: sees whether a driver's package is there, by a name from a table"
    ),
    ("validation/local_code.py", "_module", "PathFinder.find_spec(part, search)"): (
        "imports nothing: finds the file of a `custom_imports` name, to read it as text"
    ),
}

ALLOWED_LOOKUPS = {
    # In modules.
    (
        "__init__.py",
        "__getattr__",
        "getattr(importlib.import_module(home), name)",
    ): "a key of the table of public names",
    ("hooks/__init__.py", "__getattr__", "getattr(import_module(home), name)"): "a key of the table of hooks",
    ("build.py", "load_entry", "getattr(target, part)"): "a part of a catalog entry's target",
    ("conversion.py", "_make", "getattr(cls, part)"): "a part of an annotation's name",
    ("plugin/discovery.py", "_Manager.parse_hookimpl_opts", "getattr(plugin, name)"): "one of the specs' names",
    ("signature/live.py", "_importable", "getattr(found, part, None)"): "a part of a living class's own name",
    ("signature/modules.py", "Reading.attribute", "getattr(owner.live, name, None)"): (
        "a living module's attribute, by a name in source text, where the text alone does not tell"
    ),
    # In objects that are no modules.
    ("structures/base_data_element.py", "BaseDataElement.get", "getattr(self, key, default)"): "its own fields",
    ("structures/base_data_element.py", "BaseDataElement.items", "getattr(self, name)"): "its own fields",
    ("structures/base_data_element.py", "BaseDataElement.keys", "getattr(type(self), name, None)"): "its properties",
    ("structures/base_data_element.py", "BaseDataElement.metainfo_items", "getattr(self, name)"): "its own fields",
    ("structures/base_data_element.py", "BaseDataElement.pop", "getattr(self, name)"): "its own fields",
    ("structures/instance_data.py", "InstanceData.__getitem__", "getattr(self, item)"): "its own fields",
    ("testing/compare.py", "assert_attrs_equal", "getattr(obj, name)"): "an attribute that a test names",
    ("utils/methods.py", "has_method", "getattr(obj, method, None)"): "asked by Python code of an object that it has",
    ("utils/methods.py", "is_method_overridden", "getattr(derived, method)"): "asked by Python code of its class",
    ("utils/methods.py", "is_method_overridden", "getattr(base_class, method)"): "as above",
    ("config/config.py", "Config.__setattr__", "getattr(type(self), name, None)"): "a class's property",
    ("hooks/prediction_writer.py", "PredictionWriterHook._merge", "getattr(runner, f'{mode}_dataloader')"): (
        "`val` or `test`, as the engine calls it"
    ),
    ("hooks/switch_pipeline.py", "_holders", "getattr(dataset, name)"): "one of the three names above it",
    ("config/dict_action.py", "DictAction.__call__", "getattr(namespace, str(self.dest), None)"): (
        "what the option of an argument parser holds so far"
    ),
    ("dataset/dataloader.py", "DataLoader.__init__", "getattr(self, name)"): "names from a table",
    ("dataset/fetch.py", "_Face.__getattr__", "getattr(self.dataset, name)"): "a face of a dataset",
    ("dataset/subset.py", "Head.__getattr__", "getattr(self.dataset, name)"): "a face of a dataset",
    ("masking.py", "_Masked.__getattr__", "getattr(self._stream, name)"): "a face of an output stream",
    ("hooks/dispatch.py", "HookList.at", "getattr(hook, point)"): "a point of the run, on a hook",
    ("hooks/hook.py", "overrides", "getattr(hook, point, None)"): "as above",
    ("hooks/hook.py", "overrides", "getattr(Hook, point, None)"): "as above",
    ("hooks/hook.py", "overrides", "getattr(hook, delegate)"): "as above",
    ("hooks/hook.py", "overrides", "getattr(Hook, delegate)"): "as above",
    ("hooks/logger.py", "LoggerHook._after_eval_iter", "getattr(runner, f'{mode}_dataloader')"): "mode is val or test",
    ("logging/history_buffer.py", "HistoryBuffer.statistics", "getattr(self, method_name)"): "one of four names",
    ("logging/log_processor.py", "_length", "getattr(runner, f'{mode}_dataloader')"): "mode is train, val or test",
    ("loops/evaluation.py", "EvaluationLoop.step", "getattr(self.runner.model, f'{self.mode}_step')"): "as above",
    ("loops/splitting.py", "_Update.__getattr__", "getattr(self._wrapper, name)"): "a face of an optimizer wrapper",
    ("optim/optim_wrapper.py", "OptimWrapper.__getattr__", "getattr(self.optimizer, name)"): "a face of an optimizer",
    ("optim/scheduler/param_scheduler.py", "_ParamScheduler.state_dict", "getattr(self, key)"): "names from a table",
    ("plugin/discovery.py", "Plugins._ask", "getattr(self._manager.hook, spec)"): "one of the specs' names",
    ("signature/cache.py", "_encode", "getattr(signature, name)"): "a record's fields",
    ("signature/cache.py", "_encode", "getattr(each, name)"): "a record's fields",
    ("signature/live.py", "_definitions", "getattr(node, part, [])"): "a syntax tree's parts",
    ("signature/live.py", "_metadata", "getattr(obj, name)"): "a dataclass's fields",
    ("signature/local.py", "_statements", "getattr(node, part, [])"): "a syntax tree's parts",
}

UNPICKLERS = {
    ("pickle", "load"),
    ("pickle", "loads"),
    ("pickle", "Unpickler"),
    ("marshal", "load"),
    ("marshal", "loads"),
    ("shelve", "open"),
    ("dill", "load"),
    ("cloudpickle", "load"),
    ("joblib", "load"),
}

ALLOWED_UNPICKLERS = {
    ("checkpoint/shares.py", "_MetadataUnpickler", "pickle.Unpickler"): (
        "gives the names of torch's own metadata, which hold nothing but sizes and types; refuses every other name"
    ),
    ("dataset/records.py", "Records.__getitem__", "pickle.loads(view[start:int(ends[index])])"): (
        "samples that this run has itself pickled, in memory"
    ),
    ("fileio/plain_pickle.py", "_PlainUnpickler", "pickle.Unpickler"): (
        "gives the names of plain containers, and records in place of NumPy's objects; refuses every other name"
    ),
}


def sites() -> Iterator[tuple[str, str, ast.expr, ast.Call | None]]:
    """Every name and attribute that is read, where, and the call that it is the function of."""
    for file, tree in TREES.items():
        yield from _below(tree, file, ())


def _below(node: ast.AST, file: str, owner: tuple[str, ...]) -> Iterator[tuple[str, str, ast.expr, ast.Call | None]]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        owner = (*owner, node.name)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Name, ast.Attribute)):
            yield file, ".".join(owner), child, node if isinstance(node, ast.Call) and child is node.func else None
        yield from _below(child, file, owner)


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _is_method(node: ast.expr) -> bool:
    """`model.eval()` and `torch.compile` have nothing to do with Python's own."""
    return isinstance(node, ast.Attribute) and node.attr in {"eval", "exec"}


def test_nothing_is_imported_or_run_by_a_string_but_what_is_listed():
    found = {
        (file, owner, ast.unparse(call or node))
        for file, owner, node, call in sites()
        if _name(node) in IMPORTERS and not _is_method(node)
    }
    assert found == set(ALLOWED_IMPORTS)


def test_nothing_is_looked_up_by_a_computed_name_but_what_is_listed():
    found = {
        (file, owner, ast.unparse(call or node))
        for file, owner, node, call in sites()
        if _name(node) in {"attrgetter", "methodcaller"}
        or (_name(node) == "getattr" and (call is None or not isinstance(call.args[1], ast.Constant)))
    }
    assert found == set(ALLOWED_LOOKUPS)


def test_no_namespace_is_indexed_by_a_computed_name():
    """Which would be another way to write what the last test looks for."""
    namespaces = {"globals()", "locals()", "sys.modules", "__builtins__"}
    found = {
        (file, ast.unparse(node))
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant)
        if ast.unparse(node.value) in namespaces or ast.unparse(node.value).startswith("vars(")
    }
    # The module of a living class.
    assert found == {("signature/live.py", f"sys.modules[{name}]") for name in ("module", "obj.__module__")}


def test_the_plugins_entry_points_alone_are_loaded():
    found = [(file, owner) for file, owner, node, call in sites() if call and ast.unparse(call) == "entry_point.load()"]
    assert found == [("plugin/discovery.py", "_load")]


def test_no_alias_hides_an_importer():
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                hidden = [
                    alias.name for alias in node.names if alias.asname and alias.name in {*IMPORTERS, "importlib"}
                ]
                assert not hidden, file
                assert not {"imp", "pkgutil", "zipimport"} & {alias.name for alias in node.names}, file


def test_torch_load_reads_weights_only():
    loads = [
        call for _, _, node, call in sites() if call and ast.unparse(node) in {"torch.load", "torch.serialization.load"}
    ]
    assert loads
    for call in loads:
        (weights_only,) = [each.value for each in call.keywords if each.arg == "weights_only"]
        assert isinstance(weights_only, ast.Constant)
        assert weights_only.value is True


def test_nothing_is_unpickled():
    found = {
        (file, owner, ast.unparse(call or node))
        for file, owner, node, call in sites()
        if isinstance(node, ast.Attribute) and (_name(node.value), node.attr) in UNPICKLERS
    }
    assert found == set(ALLOWED_UNPICKLERS)
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                taken = {(node.module or "", alias.name) for alias in node.names}
                assert not taken & UNPICKLERS, file


def test_a_kind_is_a_method_of_registration():
    catalog = Catalog()
    registration = Registration(catalog, plugin="some", distribution="runner-some")
    methods = {name for name in vars(Registration) if not name.startswith("_")} - {"add"}
    assert methods == set(KINDS)
    for kind in KINDS:
        getattr(registration, kind)(f"A{kind}", "some.module:Attribute")
    assert [entry.kind for entry in catalog.entries()] == list(KINDS)


@pytest.mark.parametrize("name", registries())
def test_a_registry_has_a_face(name):
    assert getattr(registry, name).name == name
    assert name in registry.__all__
