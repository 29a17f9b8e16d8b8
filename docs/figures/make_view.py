"""The pictures of the page on the viewer: screenshots of it in Chromium, on runs of the bundled network over the demo sequence.

    python docs/figures/make_view.py

view.png         three rules side by side
view_gains.png   one of them, the gains of its tokens painted onto points and image

Needs the extras `viewer` and `dev`, and Chromium; not part of `make figures`, which draws without a browser.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from ttt3r.cli import main as ttt3r
from ttt3r.viewer import Coloring, SceneStage, Session, ViewLayout, serve

RULES = ("cut3r", "ttt3r", "constant")
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
STEP = 39


def make_runs(folder: Path) -> list[Path]:
    """The demo sequence, and a run of each rule over it."""
    run_all = [["data", "demo", str(folder / "seq"), "--frames", "40"]]
    for rule in RULES:
        source = ["run", str(folder / "seq/rgb"), "--network", "nano", "--rule", rule, "--record-gains"]
        run_all.append([*source, "--out", str(folder / rule)])
    for words in run_all:
        if ttt3r(words) != 0:
            raise SystemExit(f"ttt3r {' '.join(words)} failed")
    return [folder / rule for rule in RULES]


def save(page: Page, file: Path) -> None:
    """A screenshot of few colours, so that it is small."""
    page.wait_for_timeout(6000)
    page.screenshot(path=file)
    with Image.open(file) as picture:
        picture.convert("RGB").quantize(160, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file.name}: {file.stat().st_size / 1e3:.0f} kB")


def draw(page: Page, session: Session, folder: Path) -> None:
    """Set the panel, and look."""
    page.goto(session.address)
    page.wait_for_selector("canvas")
    page.wait_for_timeout(2000)
    note = page.locator(".mantine-Notification-closeButton")  # that the graphics are drawn in software
    if note.count():
        note.first.click()
    controls = session.panel.controls
    controls.point_size.value = 2 * float(controls.point_size.value)
    controls.step.value = STEP
    controls.run.value = "ttt3r (TTT3R)"
    save(page, folder / "view.png")
    controls.layout.value = str(ViewLayout.SINGLE)
    controls.coloring.value = str(Coloring.GAIN)
    for client in session.server.get_clients().values():  # nearer, now that there is one run
        client.camera.position = client.camera.look_at + 0.5 * (client.camera.position - client.camera.look_at)
    save(page, folder / "view_gains.png")


def main() -> None:
    """Make the runs, open the viewer, take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as made, sync_playwright() as driver:
        session = serve(SceneStage.open(make_runs(Path(made))))
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        draw(browser.new_page(viewport={"width": 1360, "height": 780}), session, out)
        browser.close()
        session.close()


if __name__ == "__main__":
    main()
