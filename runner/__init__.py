"""Train PyTorch models from one strict YAML file."""

from runner.plugin.hookspecs import hookimpl as hookimpl
