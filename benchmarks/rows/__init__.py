"""The rows of the speed table, a module for each theme."""
