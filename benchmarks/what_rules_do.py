"""What the rules really do on the bundled network: gains, recall, and whether a gate beats the constant of its own mean gain.

    python benchmarks/what_rules_do.py            # prints Markdown (docs/numbers/rules.md) and draws docs/figures/rules.png
    python benchmarks/what_rules_do.py --worlds 8 --frames 32

Every rule without trained parts runs over the same held-out worlds in one pass; then every control does. Learned rules are left
out: they mean nothing before they are trained.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

import ttt3r
from ttt3r.data.procedural import sample_clips
from ttt3r.data.procedural.presets import HELD_OUT_SEED, NANO_WORLD
from ttt3r.evaluation import GainAccount, mean_interval
from ttt3r.evaluation.accounting import GainMoment
from ttt3r.evaluation.intervals import Interval
from ttt3r.evaluation.plots import COLORS, INK, new_figure, quiet_axes
from ttt3r.evaluation.world_study import AVERAGED, CONSTANT, WorldPlan, WorldStudy, control_rules, run_study
from ttt3r.types import Frame
from ttt3r.update_rules import RULES, StateUpdateRule

PICTURE = Path(__file__).parent.parent / "docs" / "figures" / "rules.png"
CONSTANTS = (0.1, 0.3, 0.5, 0.7)


def contenders() -> dict[str, StateUpdateRule]:
    """Every rule that needs no training, with its defaults, and a ladder of constants."""
    rules: dict[str, StateUpdateRule] = {
        name: kind() for name, kind in RULES.items() if not name.startswith("learned") and name != "constant"
    }
    return rules | {f"constant {rate}": RULES["constant"](rate) for rate in CONSTANTS}  # pyright: ignore


def ladder(study: WorldStudy, rules: Mapping[str, StateUpdateRule]) -> list[str]:
    """Rules by mean gain, with what their memories recall and the difference to their controls, world by world."""
    rows = [
        "| rule | gain | SD tokens | SD frames | recall | recall, rule - its constant | recall, rule - its token mean | "
        "rotation, rule - its constant |",
        "|---|---|---|---|---|---|---|---|",
    ]
    recalled = {name: study.asked[-1].explained(name) for name in study.scores.gain}
    for name in sorted(rules, key=lambda rule: -study.scores.gain[rule][-1].mean()):
        books = study.books[name][-1]
        cells = [
            f"{study.scores.gain[name][-1].mean():.3f}",
            f"{books.gain_std_tokens:.3f}",
            f"{books.gain_std_frames:.3f}",
        ]
        cells.append(str(mean_interval(recalled[name])))
        for beginning in (CONSTANT, AVERAGED):
            control = f"{beginning}{name}"
            cells.append(_marked(recalled[name] - recalled[control]) if control in recalled else "-")
        turned = study.scores.rotation_degrees
        control = f"{CONSTANT}{name}"
        cells.append(_marked(turned[name][-1] - turned[control][-1]) if control in turned else "-")
        rows.append(f"| `{name}` | " + " | ".join(cells) + " |")
    for name in ("1/t",):
        rows.append(
            f"| {name} | {study.scores.gain[name][-1].mean():.3f} | - | - | {mean_interval(recalled[name])} | - | - | - |"
        )
    return rows


def _marked(differences: Float[np.ndarray, " world"]) -> str:
    found: Interval = mean_interval(differences)
    return f"{found.mean:+.3f}±{found.half:.3f}{' *' if found.excludes_zero else ''}"


def gains_over_time(
    network: ttt3r.CUT3R, rules: Mapping[str, StateUpdateRule], frames: int
) -> dict[str, list[GainMoment]]:
    """The books of every frame, over eight worlds together."""
    clip = sample_clips(NANO_WORLD, batch=8, frames=frames, seed=HELD_OUT_SEED)
    accounts, moments = dict.fromkeys(rules, GainAccount()), {name: [] for name in rules}
    stream = (Frame(image=image) for image in clip.image)
    for steps in ttt3r.rollout_rules(network, rules, stream, outputs=ttt3r.Outputs.CAMERA):
        for name, step in steps.items():
            accounts[name] = accounts[name].including(step)
            moments[name].append(accounts[name].moment)
    return moments


def draw(gains: Mapping[str, list[GainMoment]]) -> None:
    """One panel for each rule: mean gain over time, and the middle 80 % of the tokens."""
    columns = 6
    rows = -(-len(gains) // columns)
    figure = new_figure(2.1 * columns, 1.75 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True).ravel()
    for axes, (name, moments) in zip(panels, gains.items(), strict=False):
        where = [moment.frame for moment in moments]
        axes.fill_between(
            where, [m.low for m in moments], [m.high for m in moments], color=COLORS[0], alpha=0.2, linewidth=0
        )
        axes.plot(where, [moment.gain for moment in moments], color=COLORS[0], linewidth=1.6)
        axes.set_title(name, fontsize=9, color=INK)
        axes.set_ylim(-0.05, 1.1)
        quiet_axes(axes)
    for axes in panels[len(gains) :]:
        axes.set_axis_off()
    figure.supxlabel("frame", fontsize=10)
    figure.supylabel("gain", fontsize=10)
    figure.savefig(PICTURE, dpi=100)


def main() -> None:
    """Print the table, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="nano")
    parser.add_argument("--worlds", type=int, default=32)
    parser.add_argument("--frames", type=int, default=64)
    settings = parser.parse_args()
    network, rules = ttt3r.load_network(settings.network), contenders()
    plan = WorldPlan(settings.worlds, (settings.frames,))
    study = run_study(network, rules, plan)
    gates = {name: rule for name, rule in rules.items() if not name.startswith("constant")}
    study = study.with_rules(run_study(network, control_rules(gates, study), plan))
    print(
        f"*{settings.worlds} held-out worlds, {settings.frames} frames; recall is the explained variance of colours over all "
        "questions at the end; mean ± 95 % interval over worlds; * where the interval leaves 0 out, not corrected for the "
        "number of rules.*\n"
    )
    print("\n".join(ladder(study, rules)))
    with torch.no_grad():
        draw(gains_over_time(network, gates, settings.frames))


if __name__ == "__main__":
    main()
