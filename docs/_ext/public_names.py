"""Warn about every public name of a package that the reference does not document."""

from __future__ import annotations

import importlib
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Look every name of ``__all__`` up among the documented objects."""
    for package in app.config.public_packages:
        for name in importlib.import_module(package).__all__:
            objects = env.domaindata["py"]["objects"]
            if f"{package}.{name}" not in {*objects, *env.domaindata["py"]["modules"]}:
                LOGGER.warning("%s.%s is public but not documented", package, name)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the check."""
    app.add_config_value("public_packages", [], "env", list)
    app.connect("env-check-consistency", check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
