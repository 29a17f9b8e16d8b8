"""The viewer in a real browser without a window: what a user does, and what the page then shows.

Screenshots are left in the temporary folder of the test (`--basetemp` chooses it).
"""

import shutil

import numpy as np
import pytest
from PIL import Image

from ttt3r.viewer import SceneStage, ViewSettings, serve, write_page

pytest.importorskip("viser")
playwright = pytest.importorskip("playwright.sync_api")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium is installed")

FLAGS = [
    "--no-sandbox",  # a container has none; the pages are our own
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-sync",
    "--no-first-run",
]
SIZE = {"width": 1400, "height": 860}
SCENE = (
    slice(190, 760),
    slice(340, 1040),
)  # of a screenshot: between the panels, below viser's note on software rendering


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield browser
        browser.close()


class Visit:
    """A page, what it complained of, and screenshots that wait until the picture stands still."""

    def __init__(self, chromium, url, folder):
        self.folder, self.errors, self.requests = folder, [], []
        self.page = chromium.new_page(viewport=SIZE, accept_downloads=True)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)
        self.page.wait_for_selector("canvas")

    def _hear(self, message):
        # viser frees the picture of a camera when a new one comes, even while the browser still reads it.
        if message.type == "error" and not message.location.get("url", "").startswith("blob:"):
            self.errors.append(f"{message.text} ({message.location})")

    def shot(self, name, looks=12):
        """The pixels of the scene, after two looks at it agree, or after so many looks."""
        file, now = self.folder / f"{name}.png", np.zeros(1)
        for _ in range(looks):
            self.page.wait_for_timeout(400)
            self.page.screenshot(path=file)
            before, now = now, np.asarray(Image.open(file).convert("RGB")).astype(int)[SCENE]
            if before.ndim > 1 and np.abs(now - before).mean() < 0.02:
                break
        return now

    def choose(self, label, option):
        """Take an option of a dropdown."""
        self.page.get_by_label(label, exact=True).first.click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def number(self, label, value):
        """Type into the box beside a slider."""
        row = self.page.get_by_text(label, exact=True).locator("xpath=ancestor::*[.//input][1]")
        box = row.locator("input[inputmode]").first
        box.fill(str(value))
        box.press("Enter")
        box.press("Tab")


def ink(picture):
    """How many pixels are not nearly white."""
    return int((picture.min(axis=-1) < 235).sum())


def differ(one, other):
    """Share of pixels that changed."""
    return float((np.abs(one - other).max(axis=-1) > 12).mean())


@pytest.fixture
def visit(chromium, tmp_path):
    """Opens a page; all are closed at the end."""
    made = []

    def go(url):
        made.append(Visit(chromium, url, tmp_path))
        return made[-1]

    yield go
    for one in made:
        one.page.close()


@pytest.fixture
def session(stage):
    session = serve(stage)
    yield session
    session.close()


def until(seen, condition):
    """Wait until what the browser did has reached the server."""
    for _ in range(50):
        if condition():
            return
        seen.page.wait_for_timeout(100)
    raise AssertionError("the change never reached the server")


def test_a_user_sees_what_was_asked_for(visit, session, stage):
    seen, drawing = visit(session.address), session.panel._drawing
    assert ink(seen.shot("1_loaded")) > 1000
    seen.page.get_by_label("With image").first.click()
    seen.number("Size, mm", 1000 * drawing.shown.point_size * 4)
    until(
        seen, lambda: not drawing.shown.with_image and drawing.shown.point_size == pytest.approx(stage.point_size * 4)
    )
    seen.number("Step", 0)
    until(seen, lambda: drawing.shown.step == 0)
    first = seen.shot("2_points_only")

    seen.number("Step", 5)
    until(seen, lambda: drawing.shown.step == 5)
    later = seen.shot("3_scrubbed")
    assert ink(later) > 1.3 * ink(first)  # clouds and cameras have grown
    assert seen.page.get_by_text("frame 5 of 0 to 6").count() == 1

    low, high = stage.confidence_range
    seen.number("Confidence", high)
    until(seen, lambda: drawing.shown.min_confidence == pytest.approx(high))
    assert ink(seen.shot("4_threshold")) < 0.8 * ink(later)
    seen.number("Confidence", low)
    until(seen, lambda: drawing.shown.min_confidence == pytest.approx(low))

    seen.choose("Colour", "gain of the tokens")
    until(seen, lambda: drawing.shown.coloring.value == "gain of the tokens")
    painted = seen.shot("5_gains")
    assert differ(painted, later) > 0.01
    seen.choose("Token", "token 2")
    until(seen, lambda: drawing.shown.token == 2)
    assert differ(seen.shot("6_one_token"), painted) > 0.01

    seen.choose("Placed", "one run")
    seen.choose("Pictures of", stage.runs[1].label)
    until(seen, lambda: drawing.shown.run == 1)
    assert ink(seen.shot("7_other_rule")) > 1000
    assert seen.page.get_by_text(f"{stage.runs[1].label}, frame 5 of 0 to 6").count() == 1
    seen.page.get_by_role("button", name="Look through this camera").click()
    seen.shot("8_through_the_camera")

    seen.page.get_by_label("Play").first.click()
    until(seen, lambda: drawing.shown.step != 5)  # the film runs on by itself
    assert seen.errors == []


def test_the_button_gives_a_page(visit, session, tmp_path):
    seen = visit(session.address)
    seen.shot("1_live")
    with seen.page.expect_download() as waiting:
        seen.page.get_by_role("button", name="Export as HTML").click()
    file = tmp_path / "downloaded.html"
    waiting.value.save_as(file)
    assert waiting.value.suggested_filename == "scene.html"
    offline = visit(file.as_uri())
    assert ink(offline.shot("2_from_disk", looks=5)) > 1000
    assert offline.errors == seen.errors == []


def test_an_exported_page_needs_no_server(visit, stage, tmp_path):
    file = tmp_path / "scene.html"
    write_page(file, stage, ViewSettings(point_size=stage.point_size))
    seen = visit(file.as_uri())
    seen.page.wait_for_timeout(2000)
    assert ink(seen.shot("playing", looks=3)) > 1000
    away = [url for url in seen.requests if not url.startswith(("file:", "data:", "blob:"))]
    assert away == []
    assert seen.errors == []


def test_a_run_without_gains_says_what_to_do(visit, runs):
    session = serve(SceneStage.open([runs / "plain"]))
    try:
        seen = visit(session.address)
        seen.page.get_by_text("--record-gains").first.wait_for()
        seen.shot("no_gains")
        assert seen.errors == []
    finally:
        session.close()
