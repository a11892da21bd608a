"""The documentation is true: commands and examples run, links lead somewhere, and every module has its line."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import spanmatch as sm
from spanmatch.cli.commands import app

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *DOCS.glob("*.md"),
        *DOCS.glob("bench/*.md"),
        *DOCS.glob("tasks/*.md"),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
    ]
)
COMMANDS = [
    command
    for page in ("commands.md", "sources.md", "scaling.md", "correspond.md")
    for command in re.findall(r"^spanmatch (compare .*)$", (DOCS / page).read_text(), re.M)
]
FIRST_EXAMPLES = [
    ROOT / "README.md",
    *(DOCS / f"{name}.md" for name in ("start", "compare", "theory", "choosing", "measures", "evidence", "convergent")),
    *(DOCS / f"{name}.md" for name in ("meaning", "files", "glossary", "tracking", "correspond", "commands", "plots")),
    *(DOCS / f"{name}.md" for name in ("dictionaries",)),
]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    before = sys.argv
    sys.argv = ["sources.py", str(folder)]
    try:
        runpy.run_path(str(DOCS / "sources.py"), run_name="__main__")
    finally:
        sys.argv = before
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_work_as_they_stand(sources, monkeypatch, tmp_path, command):
    monkeypatch.chdir(sources)
    quick = ["--permutations", "9", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, [*shlex.split(command), *quick])
    assert result.exit_code == 0, result.output
    assert "Report:" in result.output and (tmp_path / "report.html").is_file()


def test_every_source_has_a_command():
    kinds = (
        ".onnx",
        "words",
        "nets.py",
        ".zarr",
        "shards",
        "tensors",
        ".parquet",
        ".npz",
        "--scheduler",
        "--checkpoint",
    )
    assert all(any(kind in command for command in COMMANDS) for kind in kinds)


def test_texts_that_cannot_be_read(sources, monkeypatch, tmp_path):
    monkeypatch.chdir(sources)
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\xff")
    for name, message in (
        ("empty.txt", "holds no text"),
        ("bytes.txt", "not text in UTF-8"),
        ("none.txt", "No such file"),
    ):
        result = CliRunner().invoke(app, ["compare", "words", "pieces", "--data", str(tmp_path / name)])
        assert result.exit_code in (1, 2) and f"{name}: {message}" in result.stderr.replace("\n", "")


@pytest.mark.parametrize("page", FIRST_EXAMPLES, ids=lambda page: page.name)
def test_the_first_example_of_a_page_runs(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(DOCS)
    example = re.search(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)
    assert example
    exec(example[1], {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_begins_with_a_sentence_and_an_example(page):
    heading, sentence, example = page.read_text().split("\n\n")[:3]
    assert heading.startswith("# ")
    if page.parent in (DOCS, DOCS / "bench", DOCS / "tasks") and page != DOCS / "index.md":
        assert sentence.endswith(".") and example.startswith("```")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_prose_wraps_at_100_columns(page):
    long = [line for line in page.read_text().splitlines() if len(line) > 100]
    assert all(line.startswith(("|", "![", "    ")) for line in long), long


def test_the_readme_fits_two_screens():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) < 120 and max(map(len, lines)) <= 100


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if anchor:
            assert anchor in _anchors(file), target


def _anchors(page: Path) -> list[str]:
    """Return the anchors of a page's headings, as GitHub makes them; the keys of a bibliography."""
    if page.suffix == ".bib":
        return re.findall(r"^@\w+\{([\w-]+),", page.read_text(), re.M)
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_the_design_names_every_module():
    package = Path(sm.__file__).parent
    modules = {path.relative_to(package).as_posix() for path in package.rglob("*.py") if "__" not in path.name}
    named = set(re.findall(r"^\| `(\w[\w/]*\.py)` \|", (DOCS / "design.md").read_text(), re.M))
    assert modules == named


def test_the_reference_names_every_public_name():
    text = (DOCS / "api.md").read_text()
    assert [name for name in sm.__all__ if name != "__version__" and not re.search(rf"\b{name}\b", text)] == []
