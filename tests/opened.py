"""A page of the report in a browser that is offline."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from playwright.sync_api import expect


class Opened:
    """A page in a browser that is offline, with everything that went wrong in it."""

    def __init__(
        self, browser, path: Path, width: int = 1280, scheme: str = "light", *, height: int = 800, fragment: str = ""
    ) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, offline=True, accept_downloads=True
        )
        self.page = self.context.new_page()
        self.problems, self.requests = [], []
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", lambda dialog: self.problems.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri() + fragment)
        self.page.wait_for_selector("html[data-ready]", timeout=20000)
        self.path = path

    def eps(self, value: float) -> None:
        self.page.locator("#eps").evaluate(
            "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", value
        )
        expect(self.page.locator("#eps-value")).to_have_text(f"{value:.3f}")

    def table(self, selector: str) -> list[list[str]]:
        rows = self.page.locator(f"{selector} tbody tr").all()
        return [row.locator("th, td").all_text_contents() for row in rows]

    def csv(self, button: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.file(button))))

    def file(self, button: str) -> str:
        """The text of the file that a button downloads."""
        with self.page.expect_download() as waiting:
            self.page.locator(button).first.click()
        return Path(waiting.value.path()).read_text(encoding="utf-8")

    def part(self, title: str):
        """A part of the layer's section, opened."""
        part = self.page.locator("details.part", has=self.page.locator("summary", has_text=title)).first
        if part.get_attribute("open") is None:
            part.locator("summary").click()
        part.locator(".body > *").first.wait_for()
        return part

    def done(self) -> None:
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert not self.problems
        # Pictures of top inputs stand in the page itself.
        requests = [url.split("#")[0] for url in self.requests if not url.startswith(("data:", "blob:"))]
        assert requests == [self.path.as_uri()]
        self.context.close()
