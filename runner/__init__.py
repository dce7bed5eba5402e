"""Train PyTorch models from one strict YAML file."""
