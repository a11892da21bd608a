"""What is made of results: the page, and the papers' figures.  Each is a function of the JSON that was saved."""

from .figures import save_course, save_figures
from .page import render, render_study

__all__ = ["render", "render_study", "save_course", "save_figures"]
