"""The built documentation, as a reader meets it: every link leads somewhere, and every page behaves in a browser from disk.

Needs `make docs` before. The screenshots of all pages are left in `out/screenshots`, to be looked at.
"""

import importlib
import inspect
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

SITE = Path(__file__).resolve().parent.parent / "site"
PAGES = sorted(path for path in SITE.rglob("*.html") if path.name != "404.html")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]
WIDTHS = {"desktop": 1280, "phone": 390}

pytestmark = [pytest.mark.docs, pytest.mark.skipif(not PAGES, reason="the documentation is not built: make docs")]


class Page(HTMLParser):
    """Anchors and links of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.anchors.update(value for name in ("id", "name") if (value := found.get(name)))
        self.links += [value for name in ("href", "src") if (value := found.get(name))]


@pytest.fixture(scope="module")
def pages():
    return {path: Page(path) for path in PAGES}


def test_every_link_and_anchor_leads_somewhere(pages):
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target = target / "index.html"
            if not target.is_file():
                broken.append(f"{path.relative_to(SITE)}: {link} leads to no file")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                broken.append(f"{path.relative_to(SITE)}: {link} leads to no heading")
    assert not broken, "\n".join(broken)


def test_every_public_name_has_a_heading(pages):
    headings = {
        anchor.rpartition(".")[2] for page in pages.values() for anchor in page.anchors if anchor.startswith("ttt3r.")
    }
    missing = []
    for line in (SITE.parent / "tests" / "public_names.txt").read_text().split():
        module, _, name = line.rpartition(".")
        found = getattr(importlib.import_module(module), name)
        if not inspect.ismodule(found) and getattr(found, "__name__", name) not in headings:
            missing.append(line)
    assert missing == []


def test_nothing_comes_from_elsewhere(pages):
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for mark in ('src="http', "src=http", '<link rel="stylesheet" href="http', "url(http", "fonts.g" + "oogleapis"):
            assert mark not in text, f"{path.relative_to(SITE)} loads from elsewhere: {mark}"


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    if BROWSER is None:
        pytest.skip("no chromium is installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield browser
        browser.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_behave_in_a_browser_from_disk(chromium, width):
    folder = SITE.parent / "out" / "screenshots" / width
    folder.mkdir(parents=True, exist_ok=True)
    page = chromium.new_page(viewport={"width": WIDTHS[width], "height": 900})
    heard, asked = [], []
    page.on("console", lambda message: heard.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    wrong = []
    for path in PAGES:
        name = str(path.relative_to(SITE))
        page.goto(path.as_uri())
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if wide > 1:
            wrong.append(f"{name} is {wide} pixels wider than the window")
        if page.locator("h1").count() != 1:
            wrong.append(f"{name} has {page.locator('h1').count()} main headings")
        if page.locator(".md-typeset pre > code").count() > page.locator(".md-typeset pre .md-code__button").count():
            wrong.append(f"{name} has code without a button to copy it")
        flat = page.evaluate(
            "[...document.querySelectorAll('math')].filter(m => m.getBoundingClientRect().height < 8).length"
        )
        if flat or "$$" in page.locator(".md-content").inner_text():
            wrong.append(f"{name} has equations that are not drawn")
        pictures = page.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)")
        wrong += [f"{name} lacks the picture {picture}" for picture in pictures]
        page.screenshot(path=folder / f"{name.replace('/', '.')}.png")
    page.close()
    assert not wrong, "\n".join(wrong)
    assert not heard, "\n".join(heard)
    assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]


def test_every_rule_shows_its_equation():
    for path in (SITE / "rules").glob("*.html"):
        if path.stem not in ("index", "what-rules-do"):
            assert "<math" in path.read_text(encoding="utf-8"), f"{path.stem} shows no equation"


def test_search_works_from_disk(chromium):
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.goto((SITE / "how-to" / "view.html").as_uri())
    page.locator(".md-search__input").fill("equal mean gain")
    first = page.locator(".md-search-result__link").first
    first.wait_for(state="attached", timeout=20_000)
    assert first.get_attribute("href").startswith(SITE.as_uri())
    page.close()
