"""The pictures of the page on reports: a report of synthetic rules, opened in a browser.

report.png         the top of the page, in the light
report_figures.png the figures, in the dark
report_views.png   paths and clouds of all rules

No network is run: each "rule" is the true path of a procedural house with a random walk of its own strength added, so the
numbers show the report and not the rules. Needs the extra `dev` and Chromium; `make figures` leaves these pictures out.
"""

import argparse
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from playwright.sync_api import Browser, FloatRect, sync_playwright

from ttt3r.data.procedural import ClipTruth, sample_clips
from ttt3r.data.procedural.presets import NANO_WORLD
from ttt3r.evaluation import ReportSettings, trajectory_errors, write_report
from ttt3r.evaluation.measures.gains import GAIN_MEAN
from ttt3r.evaluation.measures.worlds import ATE_PER_VIEW
from ttt3r.evaluation.results.rows import ResultRow, UnitResult

RULES = {
    "cut3r": (1.0, 1.0, ""),
    "ttt3r": (0.45, 0.3, ""),
    "control of ttt3r": (0.55, 0.3, "ttt3r"),
    "frozen": (1.5, 0.0, ""),
}
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SLOW = 300_000
"""Milliseconds that a picture may take where graphics are drawn in software."""

METRICS = (ATE_PER_VIEW, replace(ATE_PER_VIEW, name="rpe_per_first_view", heading="RPE / first view"), GAIN_MEAN)
LENGTHS = (20, 40, 80)
HOUSES = 10


def wandering(true: Float[np.ndarray, "frame 4 4"], strength: float, seed: int) -> Float[np.ndarray, "frame 4 4"]:
    """The path of a rule that adds a step of this strength to its error at every frame."""
    steps = np.random.default_rng(seed).normal(0, 0.012 * strength, size=(len(true), 3))
    steps[0] = 0
    moved = true.copy()
    moved[:, :3, 3] += np.cumsum(steps, axis=0)
    return moved


def made_up_units(folder: Path) -> list[UnitResult]:
    """A unit for each rule and house, with its arrays in the folder."""
    truth = ClipTruth.of(
        sample_clips(NANO_WORLD, batch=HOUSES, frames=max(LENGTHS), seed=3, device=torch.device("cpu"))
    )
    units = []
    for house in range(HOUSES):
        true = truth.camera_to_world[:, house].double().numpy()
        local = truth.points_camera[::4, house, ::3, ::3].reshape(len(true[::4]), -1, 3).double().numpy()
        colors = truth.image[::4, house, :, ::3, ::3].permute(0, 2, 3, 1).reshape(-1, 3).numpy() * 127.5 + 127.5
        for number, (rule, (strength, gain, gate)) in enumerate(RULES.items()):
            path = wandering(true, strength, 100 * house + number)
            rows = []
            for length in LENGTHS:
                errors = trajectory_errors(path[:length], true[:length])
                values = (errors.ate, errors.rpe_translation, gain)
                where = ("worlds", "made-up", rule, "worlds", f"house {house}", f"house {house}", length, length)
                told = zip(METRICS, values, strict=True)
                rows += [ResultRow(*where, metric.name, value, control_of=gate) for metric, value in told]
            name = f"{rule.replace(' ', '_')}.{house}.npz"
            waves = gain * (1 + 0.3 * np.sin(np.arange(len(true)) / 6) * (rule == "ttt3r"))
            world = np.einsum("fij,fpj->fpi", path[::4, :3, :3], local) + path[::4, None, :3, 3]
            np.savez_compressed(
                folder / name,
                camera_to_world=path,
                true_camera_to_world=true,
                gain_mean=waves,
                gain_std=np.full(len(true), 0.3 * gain * (rule == "ttt3r")),
                points=world.reshape(-1, 3).astype(np.float32),
                colors=colors.astype(np.uint8),
            )
            costs = {"seconds_per_frame": 0.09 + 0.004 * number, "peak_memory_bytes": 1.9 * 2**30}
            facts = {"rule": rule, "network": "none: made-up numbers"}
            units.append(UnitResult(tuple(rows), facts, costs, name, metrics=METRICS))
    return units


def shoot(browser: Browser, page: Path, picture: Path, section: str, dark: bool) -> None:
    """A picture of a section of a page, or of its top, in few colours."""
    shown = browser.new_page(viewport={"width": 1180, "height": 960}, color_scheme="dark" if dark else "light")
    shown.goto(page.as_uri())
    if section:
        shown.locator(f"#{section}").scroll_into_view_if_needed()
        shown.wait_for_timeout(8000)  # views are drawn when they come into sight
        box = shown.locator(f"#{section}").bounding_box()
        assert box is not None
        high = box["y"] + shown.evaluate("window.scrollY") - 12
        clip: FloatRect = {"x": 0, "y": high, "width": 1180, "height": box["height"] + 24}
        shown.screenshot(path=picture, full_page=True, clip=clip, timeout=SLOW)
    else:
        shown.screenshot(path=picture, timeout=SLOW)
    shown.close()
    with Image.open(picture) as whole:
        whole.convert("RGB").quantize(256).save(picture, optimize=True)


def main() -> None:
    """Make the report and look at it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = ReportSettings(title="Made-up rules in ten houses")
        write_report(made_up_units(folder), folder / "report", settings, arrays=folder)
        page = (folder / "report" / "report.html").resolve()
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            shoot(browser, page, out / "report.png", "", dark=False)
            shoot(browser, page, out / "report_figures.png", "figures", dark=True)
            shoot(browser, page, out / "report_views.png", "views", dark=False)
            browser.close()


if __name__ == "__main__":
    main()
