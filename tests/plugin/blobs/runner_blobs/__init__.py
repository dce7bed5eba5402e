"""A plugin as a user would write one, which the tests build and install."""
