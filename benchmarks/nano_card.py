"""The numbers of the model card: whether the network is useful, the world needs a memory, and state tokens stay apart.

    python benchmarks/nano_card.py                       # prints Markdown; docs/numbers/nano.md holds what it printed
    python benchmarks/nano_card.py --network out/nano/network --worlds 32

All worlds are held out: their seeds are never trained on. Intervals are 95 %, over worlds.
"""

import argparse
from collections.abc import Mapping, Sequence

import numpy as np
import torch

import ttt3r
from ttt3r.data.procedural import ClipTruth, sample_clips
from ttt3r.data.procedural.presets import HELD_OUT_SEED, NANO_WORLD, TRAINING_LENGTH
from ttt3r.evaluation.metrics.intervals import mean_interval, pooled_ratio_interval, ratio_interval
from ttt3r.evaluation.results.knowing_nothing import ANOTHER_SCENE, MEAN_DEPTH, NO_MOTION, NOTHING_SEEN, SCENE_AVERAGE
from ttt3r.evaluation.worlds.forgetting import RecallScores, ask_recall, with_controls
from ttt3r.evaluation.worlds.running import score_worlds
from ttt3r.evaluation.worlds.scores import WorldScores, mean_depth_image
from ttt3r.training.losses import between_token_share, effective_rank
from ttt3r.types import Frame, Memory
from ttt3r.update_rules import RULES

GROUP = 16


def study(network: ttt3r.CUT3R, worlds: int, lengths: Sequence[int]) -> tuple[WorldScores, RecallScores]:
    """Scores of `cut3r` and `frozen`, and what the memory of `cut3r` answers after the training length."""
    known = ClipTruth.of(sample_clips(NANO_WORLD, batch=64, frames=TRAINING_LENGTH, seed=0))
    scores, asked = [], []
    for first in range(0, worlds, GROUP):
        clip = sample_clips(
            NANO_WORLD, batch=min(GROUP, worlds - first), frames=max(lengths), seed=HELD_OUT_SEED, first=first
        )
        truth = ClipTruth.of(clip)

        def ask(index: int, memories: Mapping[str, Memory], truth: ClipTruth = truth) -> None:
            if index + 1 == TRAINING_LENGTH:
                everyone = with_controls(network, {"cut3r": memories["cut3r"]})
                asked.append(ask_recall(network, everyone, truth, index + 1, range(TRAINING_LENGTH)))

        rules = {name: RULES[name]() for name in ("cut3r", "frozen")}
        found, _ = score_worlds(network, rules, truth, lengths, on_frame=ask)
        scores.append(found.with_mean_depth(mean_depth_image(known), truth))
    return WorldScores.joined(scores), RecallScores.joined(asked)


def useful(scores: WorldScores) -> list[str]:
    """Against the trivial predictors, at the training length."""
    rows = ["| at the training length | nano | trivial predictor | ratio |", "|---|---|---|---|"]
    pairs = (
        ("rotation, degrees (no motion)", scores.rotation_degrees, NO_MOTION),
        ("translation (no motion)", scores.translation, NO_MOTION),
        ("depth AbsRel (mean depth image)", scores.depth_abs_rel, MEAN_DEPTH),
    )
    for what, table, baseline in pairs:
        ours, theirs = table["cut3r"][0], table[baseline][0]
        ratio, low, high = ratio_interval(theirs, ours)
        shown = f"**{ratio:.2f}**" if low > 1 else f"{ratio:.2f}"  # bold where the interval is sure of it
        rows.append(f"| {what} | {mean_interval(ours)} | {mean_interval(theirs)} | {shown} [{low:.2f}, {high:.2f}] |")
    return rows


def needed(scores: WorldScores, asked: RecallScores) -> list[str]:
    """Whether a memory helps, world by world."""
    rows = ["| paired, world by world | difference | the interval excludes 0 |", "|---|---|---|"]
    for row, length in enumerate(scores.lengths):
        for what, table in (("rotation, degrees", scores.rotation_degrees), ("translation", scores.translation)):
            worse = mean_interval(table["frozen"][row] - table["cut3r"][row])
            rows.append(f"| {what}, frozen - cut3r, {length} frames | {worse} | {_yes(worse.excludes_zero)} |")
    own = asked.explained("cut3r")
    for control in (SCENE_AVERAGE, ANOTHER_SCENE, NOTHING_SEEN):
        better = mean_interval(own - asked.explained(control))
        rows.append(
            f"| explained variance of recalled colours, cut3r - {control} | {better} | {_yes(better.excludes_zero)} |"
        )
        # Rooms of one colour have hardly any variance, and a mean of their ratios hangs on them: the ratio of sums does not.
        gained = (asked.color_error[control] - asked.color_error["cut3r"]).sum(axis=0)
        pooled = pooled_ratio_interval(gained, asked.variance.sum(axis=0))
        rows.append(f"| the same, sums over worlds divided | {pooled} | {_yes(pooled.excludes_zero)} |")
    for control in (ANOTHER_SCENE, NOTHING_SEEN):
        better = mean_interval(asked.points["cut3r"].mean(axis=0) - asked.points[control].mean(axis=0))
        rows.append(f"| error of recalled points, cut3r - {control} | {better} | {_yes(better.excludes_zero)} |")
    return rows


def apart(network: ttt3r.CUT3R, worlds: int) -> list[str]:
    """Whether the state tokens differ, and whether the gate of ttt3r treats them differently."""
    rows = [
        "| frames | rule | effective rank | between-token share | gain | its spread over tokens | frames | interaction |",
        "|---|---|---|---|---|---|---|---|",
    ]
    clip = sample_clips(NANO_WORLD, batch=worlds, frames=8 * TRAINING_LENGTH, seed=HELD_OUT_SEED)
    for name in ("cut3r", "ttt3r"):
        model, gains = ttt3r.Reconstructor(network, RULES[name]()), []
        for step in ttt3r.rollout(model, (Frame(image=image) for image in clip.image), outputs=ttt3r.Outputs.CAMERA):
            gains.append(step.gain.mean(dim=-1))
            if step.index + 1 in (TRAINING_LENGTH, 8 * TRAINING_LENGTH):
                state = step.memory.state
                rank = mean_interval(effective_rank(state).double().numpy())
                share = mean_interval(between_token_share(state).double().numpy())
                mean, token, frame, both = _spread(torch.stack(gains[1:]).double().numpy())
                rows.append(
                    f"| {step.index + 1} | {name} | {rank} of {state.shape[1]} | {share} | {mean:.3f} | {token:.3f} | "
                    f"{frame:.3f} | {both:.3f} |"
                )
    return rows


def _spread(gain: np.ndarray) -> tuple[float, float, float, float]:
    """Mean gain; standard deviations of token means, of frame means, and of what is left of both, mean over worlds."""
    mean = gain.mean(axis=(0, 2), keepdims=True)
    token = gain.mean(axis=0, keepdims=True) - mean
    frame = gain.mean(axis=2, keepdims=True) - mean
    left = gain - mean - token - frame
    return float(gain.mean()), float(token.std()), float(frame.std()), float(left.std())


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="nano")
    parser.add_argument("--worlds", type=int, default=64)
    settings = parser.parse_args()
    network = ttt3r.load_network(settings.network)
    with torch.no_grad():
        scores, asked = study(network, settings.worlds, [TRAINING_LENGTH, 2 * TRAINING_LENGTH])
        parts = (useful(scores), needed(scores, asked), apart(network, settings.worlds))
    print(f"*{settings.worlds} held-out worlds; mean ± 95 % interval over worlds.*")
    for part in parts:
        print("\n" + "\n".join(part))


if __name__ == "__main__":
    main()
