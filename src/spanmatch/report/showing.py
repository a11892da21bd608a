"""Showing a page: inside a notebook in a frame, from a script in the browser."""

from __future__ import annotations

import sys
import tempfile
import warnings
import webbrowser
from html import escape
from pathlib import Path

from .._files import Path_, write_text
from ..errors import SpanmatchWarning

IN_A_FRAME = (
    "<script>for (const name of ['replaceState', 'pushState']) { const call = history[name].bind(history);"
    " history[name] = (...state) => { try { call(...state); } catch { /* a frame has no address */ } }; }</script>"
)
"""Added to a page that is in a frame: there, the address cannot be changed."""


class Frame:
    """A page in a frame, as notebooks show it.

    Parameters
    ----------
    html : str
        The page.
    height : int
        Height of the frame, in pixels.
    """

    def __init__(self, html: str, height: int) -> None:
        self.html, self.height = html, height

    def _repr_html_(self) -> str:
        """Return the frame. The page in it can run its scripts, but reach nothing of the notebook."""
        page = escape(self.html.replace("<head>", f"<head>{IN_A_FRAME}", 1))
        style = f"width: 100%; height: {self.height}px; border: 1px solid #d1d9e0; border-radius: 6px"
        allowed = "allow-scripts allow-downloads"
        return f'<iframe title="spanmatch" style="{style}" sandbox="{allowed}" srcdoc="{page}"></iframe>'


def show(html: str, path: Path_ | None, height: int) -> None:
    """Show a page in the notebook that runs this, else in the browser.

    Parameters
    ----------
    html : str
        The page.
    path : path, optional
        Where to save it; by default, and only for the browser, in the folder of temporary files.
    height : int
        Height of the frame in a notebook, in pixels.

    Raises
    ------
    SpanmatchError
        If the file cannot be written.

    Warns
    -----
    SpanmatchWarning
        If there is no browser; it says where the page is.
    """
    if path is not None:
        write_text(path, html)
    if _in_notebook():
        from IPython.display import display

        display(Frame(html, height))
        return
    file = _temporary(html) if path is None else Path(path)
    if not webbrowser.open(file.resolve().as_uri()):
        warnings.warn(f"no browser could be opened; the page is {file}", SpanmatchWarning, stacklevel=3)


def _in_notebook() -> bool:
    """Return whether the code runs in a kernel of Jupyter, without importing IPython."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


def _temporary(html: str) -> Path:
    """Write a page to a new temporary file, which stays: the browser reads it later."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix="spanmatch-", suffix=".html", delete=False
    ) as temporary:
        temporary.write(html)
    return Path(temporary.name)
