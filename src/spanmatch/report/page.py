"""The page: one HTML file that shows saved results and makes no request.

Data and drawing are apart. What the scripts in `assets/` get is made by `page_data` and typed by
`page_schema`; they draw everything in the browser, with Observable Plot and D3. To add a chart:

1. The field that it draws: `schema` has what is saved, `page_schema` what the page gets of it.
   Then run `make types`.
2. The view: a file in assets/views/comparison, assets/views/pair or assets/views/study. The lists of
   views in assets/page.js name it.

`bench_page` has the page of a benchmark, which is made in the same way.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from posixpath import dirname, join, normpath
from typing import TYPE_CHECKING

from .page_data import page_data

if TYPE_CHECKING:
    from ..schema import ComparisonRecord, StudyRecord
    from .page_schema import PageData

LIBRARIES = ("vendor/d3.min.js", "vendor/plot.umd.min.js")
IMPORT = re.compile(r'^import \{(?P<names>[^}]*)\} from "(?P<file>[^"]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?:async )?(?:const|function|class) (\w+)", re.MULTILINE)


def render(comparison: ComparisonRecord) -> str:
    """Return the page of a comparison, given as in comparison.json."""
    return _page(_names(comparison["networks"]), "", comparison["spanmatch"], page_data(None, {"": comparison}))


def render_study(study: StudyRecord, comparisons: Mapping[str, ComparisonRecord]) -> str:
    """Return the page of a study, given as in study.json, and of its comparisons."""
    return _page(study["name"], study["about"], study["spanmatch"], page_data(study, comparisons))


def render_side_by_side(comparisons: Mapping[str, ComparisonRecord]) -> str:
    """Return one page of several comparisons, given by the names that the page shows."""
    versions = sorted({comparison["spanmatch"] for comparison in comparisons.values()})
    about = f"{len(comparisons)} comparisons, each over data of its own: see their rows and settings."
    return _page(" | ".join(comparisons), about, " and ".join(versions), page_data(None, comparisons))


def _names(networks: Sequence[str]) -> str:
    *first, last = networks
    return f"{', '.join(first)} and {last}" if first else last


def _page(title: str, about: str, version: str, data: PageData) -> str:
    count = sum(len(comparison["pairs"]) for comparison in data["comparisons"])
    several = data["study"] is None and len(data["comparisons"]) > 1
    of = f"{len(data['comparisons'])} comparisons side by side" if several else "the same data"
    lead = f"Do they represent the same things? {count} {'pair' if count == 1 else 'pairs'} of layers, {of}."
    comparisons = [{**comparison, "pairs": columns(comparison["pairs"])} for comparison in data["comparisons"]]
    packed = {"study": data["study"], "comparisons": comparisons}
    return filled("page", ["page"], packed, title=title, lead=lead, about=about, version=version)


def filled(name: str, styles: Sequence[str], data: Mapping[str, object], **texts: str) -> str:
    """Return the page made from the template and the script of a name, with styles, data, and texts of the template."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("spanmatch.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"{name}.html").render(
        **texts,
        data=_packed(data),
        libraries=[Markup(_text(library)) for library in LIBRARIES],
        script=Markup(_joined(f"assets/{name}.js")),
        styles=[Markup(_text(f"assets/{style}.css")) for style in styles],
    )


def _packed(data: Mapping[str, object]) -> str:
    """Return the data as base64 of gzip of JSON; unpack.js reads it."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(gzip.compress(text.encode("utf-8"), mtime=0)).decode("ascii")


def columns(rows: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Return dictionaries with the same keys as one of lists; numbers of a kind together compress far better."""
    lists: dict[str, object] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        inner = [value for value in values if isinstance(value, dict)]
        alike = len(inner) == len(values) and all(value.keys() == inner[0].keys() for value in inner)
        lists[name] = {"of": columns(inner)} if alike else values
    return lists


def _joined(name: str) -> str:
    """Return a script and all that it imports as one, as a page that makes no request cannot import.

    Each file becomes a function, called after those of the files that it imports; its exports are what it returns.
    """
    functions: dict[str, str] = {}

    def add(name: str) -> None:
        text = _text(name)
        for statement in IMPORT.finditer(text):
            path = normpath(join(dirname(name), statement["file"]))
            if path not in functions:
                add(path)
            names = statement["names"].replace(" as ", ": ")
            text = text.replace(statement[0], f"const {{{names}}} = files[{json.dumps(path)}];\n")
        exported = ", ".join(EXPORT.findall(text))
        text = EXPORT.sub(lambda match: match[0].removeprefix("export "), text)
        functions[name] = f"files[{json.dumps(name)}] = (() => {{\n{text}return {{ {exported} }};\n}})();\n"

    add(name)
    return "\n".join(["const files = {};", *functions.values()])


def _text(name: str) -> str:
    """Return one of the package's own files."""
    return files("spanmatch.report").joinpath(name).read_text(encoding="utf-8")
