"""Sphinx configuration. Everything is built offline: no fonts, badges or inventories are fetched.

python -m sphinx -W --keep-going -b html docs docs/_build/html
python -m sphinx -W -b doctest docs docs/_build/doctest
"""

from __future__ import annotations

import doctest
import logging
import sys
from pathlib import Path

import erfgraph

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "erfgraph"
author = "The erfgraph authors"
project_copyright = author
version = release = erfgraph.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx_gallery.gen_gallery",
    "links",
    "mathml",
    "names",
    "pictures",
    "public_names",
    "shell",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "_drawn", "gallery", "examples", "*_table.md", "*_breakdown.md"]
suppress_warnings: list[str] = []

# pages
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
html_math_renderer = "mathml"
myst_heading_anchors = 3

# reference: types stand in the docstrings, so signatures go without
autodoc_typehints = "none"
autodoc_member_order = "bysource"
nitpicky = True
default_role = "py:obj"  # `name` in a docstring links where the name is documented
numpydoc_show_class_members = False
autosummary_generate = False
add_module_names = False
public_packages = ["erfgraph", "erfgraph.figures"]

# examples
doctest_global_setup = (
    (HERE / "_ext" / "workplace.py")
    .read_text(encoding="utf-8")
    .replace("__DOCS__", repr(str(HERE)))
)
# what examples of documented functions call by their own names
doctest_global_setup += """
from fractions import Fraction
from erfgraph.initial import weight_variance
from erfgraph.theory import *
"""
doctest_default_flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
trim_doctest_flags = True

# the gallery: scripts that are run, and what they draw
sphinx_gallery_conf = {
    "examples_dirs": ["gallery"],
    "gallery_dirs": ["auto_examples"],
    "image_scrapers": ("pictures.scrape",),
    "capture_repr": ("_repr_html_",),
    "backreferences_dir": "auto_examples/used",
    "doc_module": ("erfgraph",),
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 5,
    "write_computation_times": False,
    "remove_config_comments": True,
}

# examples write PDF files, and Sphinx shows what their fonts are made of
logging.getLogger("fontTools").setLevel(logging.WARNING)

# looks
html_theme = "furo"
html_title = f"erfgraph {release}"
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
