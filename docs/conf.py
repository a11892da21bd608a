"""How Sphinx builds the documentation: `make docs`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# For PyTorch, in the gallery and in the notebooks' kernels, too: their networks are small, and two threads that
# wait for one another on a busy machine take minutes where one takes seconds.
os.environ["OMP_NUM_THREADS"] = "1"

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS / "extensions"), str(DOCS)]

from numpydoc.xref import DEFAULT_LINKS  # noqa: E402

import spanmatch  # noqa: E402

project = "spanmatch"
author = "the authors of spanmatch"
version = release = spanmatch.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
    "sphinx_gallery.gen_gallery",
    "project_pages",
    "plain_docstrings",
    "public_names",
    "cited_works",
    "glossary_links",
]
exclude_patterns = ["extensions", "_templates", "gallery/**/*.ipynb", "gallery/**/*.py", "**.ipynb_checkpoints"]
templates_path = ["_templates"]
suppress_warnings = ["config.cache"]

# Pages in Markdown, and notebooks. Pages of the gallery and of the reference are generated.
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "auto"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True

# The reference: a page for each public name, from its docstring.
autosummary_generate = True
autosummary_imported_members = True
default_role = "code"
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"
numpydoc_xref_aliases = {name: name for name in DEFAULT_LINKS} | {
    name: f"spanmatch.{name}" for name in spanmatch.__all__
}

# Works are cited by their keys in references.bib.
bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "alpha"
bibtex_reference_style = "author_year"

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "ignore_pattern": r"/_|__init__\.py|conftest\.py",
    "image_scrapers": ("matplotlib",),
    "download_all_examples": False,
    "show_signature": False,
    "capture_repr": ("_repr_html_",),
    "write_computation_times": False,  # its pages load scripts from other hosts
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "min_reported_time": 1,
}

# The site works from disk and makes no request to another host.
html_theme = "pydata_sphinx_theme"
html_title = "spanmatch"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_copy_source = False
html_show_search_summary = False  # it is fetched, which pages on disk may not
html_theme_options = {
    "logo": {"text": "spanmatch"},
    "show_prev_next": False,
    "navigation_with_keys": False,
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": [], "tasks/index": []}
copyright = "the authors of spanmatch, Apache-2.0"  # noqa: A001
copybutton_exclude = ".linenos, .gp, .go"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
