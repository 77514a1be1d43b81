"""Chromium, for the tests that open the explorer as a reader does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
DESKTOP, PHONE = (1280, 800), (390, 800)


# Charts that are drawn neither as a picture nor in words, and text that the edge of a chart cuts.
UNDRAWN = """() => [
    ...document.querySelectorAll('main section:not([hidden]) figure')
].filter((figure) => {
    const said = figure.querySelector('.empty');
    const drawn = figure.querySelector('.chart svg path, table tbody tr');
    return said.hidden ? !drawn : said.textContent.length < 15;
}).map((figure) => figure.id)"""
CUT = """() => [
    ...document.querySelectorAll('main section:not([hidden]) .chart svg text')
].filter((text) => {
    const inner = text.getBoundingClientRect();
    const outer = text.closest('svg').getBoundingClientRect();
    return inner.width && (inner.left < outer.left - 2 || inner.right > outer.right + 2
        || inner.top < outer.top - 2 || inner.bottom > outer.bottom + 2);
}).map((text) => `${text.closest('figure').id}: ${text.textContent}`)"""


@dataclass
class Opened:
    """An explorer in a browser.

    Attributes:
        page: The browser's page.
        complaints: Errors and warnings on its console.
        requests: Addresses it asked for, but for the file itself.
    """

    page: Page
    file: Path
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def go(self, address: str) -> Page:
        """Follows an address within the explorer, such as segment?segment=rfm:loyal."""
        self.page.goto(f"{self.file.as_uri()}#{address}")
        self.page.wait_for_function("document.querySelector('main section:not([hidden])')")
        return self.page

    def pages(self) -> list[str]:
        found: list[str] = self.page.evaluate(
            "[...document.querySelectorAll('nav a')].map((link) => link.hash.slice(1))"
        )
        return found

    def data(self) -> dict[str, Any]:
        """The tables that the explorer holds."""
        data: dict[str, Any] = self.page.evaluate("DATA")
        return data


@contextmanager
def chromium() -> Iterator[Browser]:
    """Skips the test where there is no browser."""
    if not CHROMIUM.exists():
        pytest.skip(f"There is no {CHROMIUM}. apt-get install chromium, or set CHROMIUM.")
    with sync_playwright() as playwright:
        # Tests run as root in containers, where the sandbox can't.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(
    browser: Browser,
    file: Path,
    size: tuple[int, int] = DESKTOP,
    colours: Any = "light",
    scale: float = 1,
) -> Opened:
    page = browser.new_page(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=colours,
        device_scale_factor=scale,
    )
    found = Opened(page, file.resolve())
    page.on(
        "console",
        lambda line: (
            found.complaints.append(line.text) if line.type in ("error", "warning") else None
        ),
    )
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith("file:") else found.requests.append(request.url)
        ),
    )
    found.go("")
    return found
