"""The pages and the papers' figures: functions of the saved JSON alone."""

from .bench_page import render_bench
from .figures import save_course, save_figures
from .page import render, render_side_by_side, render_study
from .showing import show

__all__ = ["render", "render_bench", "render_side_by_side", "render_study", "save_course", "save_figures", "show"]
