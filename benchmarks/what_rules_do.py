"""What the rules really do on the bundled network: gains, recall, and whether a gate beats the constant of its own mean gain.

    python benchmarks/what_rules_do.py            # prints Markdown (docs/numbers/rules.md) and draws docs/figures/rules.png
    python benchmarks/what_rules_do.py --worlds 8 --frames 32

Every rule without trained parts runs over the same held-out worlds in one pass; then every control does. Learned rules are left
out: they mean nothing before they are trained.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

import ttt3r
from ttt3r.data.procedural import WorldConfig, sample_clips
from ttt3r.data.procedural.presets import HELD_OUT_SEED, find_world
from ttt3r.evaluation import GainAccount, mean_interval
from ttt3r.evaluation.measures.gains import FrameGain
from ttt3r.evaluation.metrics.intervals import Interval
from ttt3r.evaluation.plots.palette import COLORS
from ttt3r.evaluation.plots.pictures import new_figure
from ttt3r.evaluation.plots.plots import INK, quiet_axes
from ttt3r.evaluation.report.statistics import holm, sign_flip_test
from ttt3r.evaluation.worlds.study import WorldPlan, WorldStudy, run_study
from ttt3r.types import Frame
from ttt3r.update_rules import RULES, Control, StateUpdateRule

if TYPE_CHECKING:
    import matplotlib.axes

PICTURE = Path(__file__).parent.parent / "docs" / "figures" / "rules.png"
SINGLE = PICTURE.parent / "gains"
CONSTANTS = (0.1, 0.3, 0.5, 0.7)
LEVEL = 0.05


def contenders() -> dict[str, StateUpdateRule]:
    """Every rule that needs no training, with its defaults, and a ladder of constants."""
    rules: dict[str, StateUpdateRule] = {
        name: kind() for name, kind in RULES.items() if not name.startswith("learned") and name != "constant"
    }
    return rules | {f"constant:rate={rate}": RULES["constant"](rate) for rate in CONSTANTS}  # pyright: ignore


Paired = dict[str, dict[str, Float[np.ndarray, " world"]]]
"""By question and rule: how much better the rule does than its control, world by world; above 0 is better."""


def against_controls(study: WorldStudy, gates: Mapping[str, StateUpdateRule]) -> Paired:
    """Recall and cameras of every gate against the constant of its mean gain, and recall against its mean over tokens."""
    recalled = {name: study.asked[-1].explained(name) for name in study.scores.gain}
    turned, moved = study.scores.rotation_degrees, study.scores.translation
    found: Paired = {name: {} for name in ("recall", "rotation", "translation", "recall, token mean")}
    for gate in gates:
        constant, averaged = Control.EQUAL_GAIN.of(gate), Control.TOKEN_MEAN.of(gate)
        if constant not in recalled:
            continue
        found["recall"][gate] = recalled[gate] - recalled[constant]
        found["rotation"][gate] = turned[constant][-1] - turned[gate][-1]
        found["translation"][gate] = moved[constant][-1] - moved[gate][-1]
        found["recall, token mean"][gate] = recalled[gate] - recalled[averaged]
    return found


def corrected(paired: Paired) -> dict[str, dict[str, float]]:
    """The p of the sign-flip test over worlds, Holm's correction over all rules that are asked the same question."""
    found = {}
    for question, differences in paired.items():
        raw = [sign_flip_test(values, [str(i) for i in range(len(values))]).p for values in differences.values()]
        found[question] = dict(zip(differences, holm(raw), strict=True))
    return found


def verdicts(paired: Paired) -> list[str]:
    """Each gate against its controls."""
    p = corrected(paired)
    rows = [
        "| gate | recall, against its constant | rotation, degrees | translation | recall, against its token mean |",
        "|---|---|---|---|---|",
    ]
    for gate in paired["recall"]:
        cells = [_marked(paired[question][gate], p[question][gate]) for question in paired]
        rows.append(f"| `{gate}` | " + " | ".join(cells) + " |")
    return rows


def _marked(differences: Float[np.ndarray, " world"], p: float) -> str:
    found: Interval = mean_interval(differences)
    mark = " **better**" if found.mean > 0 else " **worse**"
    return f"{found.mean:+.3f}±{found.half:.3f}{mark if p < LEVEL else ''}"


def ladder(study: WorldStudy, rules: Mapping[str, StateUpdateRule]) -> list[str]:
    """Rules by mean gain, with what they write, what their memories recall, and how far off their cameras are."""
    rows = [
        "| rule | gain | over tokens | over frames | memory age | drift | norm | recall | rotation, degrees | translation |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in sorted([*rules, "1/t"], key=lambda rule: -study.scores.gain[rule][-1].mean()):
        summary = study.gain_summaries[name][-1]
        cells = [
            f"{study.scores.gain[name][-1].mean():.3f}",
            f"{summary.gain_std_tokens:.3f}",
            f"{summary.gain_std_frames:.3f}",
            f"{summary.memory_age:.1f}",
            f"{summary.drift:.2f}",
            f"{summary.norm_ratio:.2f}",
            str(mean_interval(study.asked[-1].explained(name))),
            str(mean_interval(study.scores.rotation_degrees[name][-1])),
            str(mean_interval(study.scores.translation[name][-1])),
        ]
        rows.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return rows


def gains_over_time(
    network: ttt3r.CUT3R, rules: Mapping[str, StateUpdateRule], world: WorldConfig, frames: int
) -> dict[str, list[FrameGain]]:
    """The gain of every frame, over eight worlds together."""
    clip = sample_clips(world, batch=8, frames=frames, seed=HELD_OUT_SEED)
    accounts, curve = dict.fromkeys(rules, GainAccount()), {name: [] for name in rules}
    stream = (Frame(image=image) for image in clip.image)
    for steps in ttt3r.rollout_rules(network, rules, stream, outputs=ttt3r.Outputs.CAMERA):
        for name, step in steps.items():
            accounts[name] = accounts[name].including(step)
            curve[name].append(accounts[name].last_frame)
    return curve


def draw(gains: Mapping[str, list[FrameGain]]) -> None:
    """One panel for each rule, and each by itself for the rule's page."""
    columns = 6
    rows = -(-len(gains) // columns)
    figure = new_figure(2.1 * columns, 1.75 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True).ravel()
    for axes, (name, curve) in zip(panels, gains.items(), strict=False):
        _panel(axes, curve)
        axes.set_title(name, fontsize=9, color=INK)
    for axes in panels[len(gains) :]:
        axes.set_axis_off()
    figure.supxlabel("frame", fontsize=10)
    figure.supylabel("gain", fontsize=10)
    figure.savefig(PICTURE, dpi=100)
    SINGLE.mkdir(exist_ok=True)
    for name, curve in gains.items():
        alone = new_figure(5.2, 1.9)
        axes = alone.subplots()
        _panel(axes, curve)
        axes.set(xlabel="frame", ylabel="gain")
        alone.savefig(SINGLE / f"{name}.png", dpi=80)


def _panel(axes: "matplotlib.axes.Axes", curve: Sequence[FrameGain]) -> None:
    """Mean gain over time, and the middle 80 % of the tokens."""
    where = [point.frame for point in curve]
    low, high = [point.low for point in curve], [point.high for point in curve]
    axes.fill_between(where, low, high, color=COLORS[0], alpha=0.2, linewidth=0)
    axes.plot(where, [point.gain for point in curve], color=COLORS[0], linewidth=1.6)
    axes.set_ylim(-0.05, 1.1)
    quiet_axes(axes)


def main() -> None:
    """Print the table, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="nano")
    parser.add_argument("--world", default="tour", help="by name, as in `ttt3r compare worlds`")
    parser.add_argument("--worlds", type=int, default=32)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--pictures", action="store_true", help="draw the gains only")
    settings = parser.parse_args()
    world = find_world(settings.world)
    network, rules = ttt3r.load_network(settings.network), contenders()
    gates = {name: rule for name, rule in rules.items() if not name.startswith("constant:")}
    with torch.no_grad():
        draw(gains_over_time(network, gates | {"constant": RULES["constant"]()}, world, settings.frames))
    if settings.pictures:
        return
    study = run_study(network, rules, WorldPlan(settings.worlds, (settings.frames,), world), controls=True)
    paired = against_controls(study, gates)
    which = f"{settings.worlds} held-out worlds ({settings.world}), {settings.frames} frames"
    print(f"*{which}; mean ± 95 % interval over worlds.*\n")
    print("\n".join(ladder(study, rules)))
    print(
        "\n*The same worlds, world by world: how much better a gate does than the constant of its own mean gain, or than "
        "itself averaged over its tokens. Above 0 is better. Bold where the sign-flip test gives p < 0.05 after Holm's "
        f"correction over the {len(paired['recall'])} gates of a column.*\n"
    )
    print("\n".join(verdicts(paired)))


if __name__ == "__main__":
    main()
