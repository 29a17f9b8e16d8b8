"""The verdict in plain words: which rule won, by how much, how sure that is, at what cost, and what failed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ttt3r.evaluation.measures.metric import Metric
from ttt3r.evaluation.report.contents import Means
from ttt3r.evaluation.report.costs import GIB, RuleCosts
from ttt3r.evaluation.report.failing import Failure
from ttt3r.evaluation.report.pairing import PairedComparison
from ttt3r.evaluation.report.results import Slice
from ttt3r.evaluation.report.statistics import EXACT_UP_TO
from ttt3r.evaluation.results.knowing_nothing import KNOWS_NOTHING
from ttt3r.update_rules.naming.labels import Control

FEW_SCENES = 8
"""Below so many scenes a percentile interval is too narrow."""


@dataclass(frozen=True)
class Verdict:
    """What one slice says.

    Args:
        slice: data set and protocol.
        sure: whether there is a winner.
        headline: one sentence.
        sentences: the reasons, and what has to be known beside them.
    """

    slice: Slice
    sure: bool
    headline: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class VerdictBasis:
    """What a verdict is drawn from.

    Args:
        means: of all slices.
        metric: by which the rules are judged.
        comparisons: of this metric, corrected.
        failures: see `failures`.
        costs: by rule, see `mean_costs`.
        baseline: the rule that others were compared with.
    """

    means: Means
    metric: str
    comparisons: tuple[PairedComparison, ...]
    failures: tuple[Failure, ...]
    costs: Mapping[str, RuleCosts]
    baseline: str


def verdicts(evidence: VerdictBasis) -> tuple[Verdict, ...]:
    """One for each slice that has the metric."""
    results = evidence.means.results
    parts = [part for part in results.slices if evidence.metric in results.of(part).metrics]
    return tuple(_verdict(evidence, part) for part in parts)


def _verdict(evidence: VerdictBasis, part: Slice) -> Verdict:
    results = evidence.means.results.of(part)
    metric = results.metric(evidence.metric)
    length = max(row.length for row in results.rows if row.metric == metric.name)
    values = {rule: evidence.means.value(part, rule, length, metric.name) for rule in results.asked}
    ranked = sorted((rule for rule in values if not math.isnan(values[rule])), key=lambda rule: values[rule])
    if metric.higher_is_better:
        ranked.reverse()
    where = f"on {part.label}" + (f" at {length} frames" if length else "")
    failed = _failures([one for one in evidence.failures if one.slice == part], metric, len(results.sequences))
    if not metric.directed:
        text = f"Nothing says whether a higher or a lower {metric.heading} is better, so no rule wins by it {where}."
        return Verdict(part, False, text, failed)
    if not ranked:
        return Verdict(part, False, f"No rule has a single {metric.heading} {where}.", failed)
    nothing = {rule: evidence.means.value(part, rule, length, metric.name) for rule in results.knowing_nothing}
    listing = ", ".join(f"{rule} {_number(values[rule], metric)}" for rule in ranked)
    unit = f" in {metric.unit}" if metric.unit else ""
    sentences = [f"Means of {metric.heading}{unit} {where}, best first: {listing}."]
    if known := [f"{rule} {_number(value, metric)}" for rule, value in nothing.items() if not math.isnan(value)]:
        sentences.append(f"Trivial predictors: {', '.join(known)}.")
    if len(ranked) == 1:
        return Verdict(
            part, False, f"Only {ranked[0]} has numbers {where}: there is nothing to compare.", (*sentences, *failed)
        )
    winner = ranked[0]
    rival = evidence.baseline if winner != evidence.baseline and evidence.baseline in ranked else ranked[1]
    pair = _find(evidence.comparisons, part, {winner, rival})
    headline, sure = _headline(metric, winner, rival, pair, where)
    if doubt := _no_better_than_nothing(evidence.comparisons, part, winner, where):
        headline, sure = doubt, False
    if pair is not None:
        sentences += _how_sure(pair)
    sentences += _control(evidence.comparisons, part, winner)
    sentences += _cost(evidence.costs, winner, rival)
    return Verdict(part, sure, headline, (*sentences, *failed))


def _find(comparisons: Sequence[PairedComparison], part: Slice, rules: set[str]) -> PairedComparison | None:
    return next((one for one in comparisons if one.slice == part and {one.rule, one.against} == rules), None)


def _headline(metric: Metric, winner: str, rival: str, pair: PairedComparison | None, where: str) -> tuple[str, bool]:
    """The first sentence, and whether the winner is sure."""
    if pair is None or not pair.sequences:
        return f"{winner} has the best {metric.heading} {where}; it was not tested against {rival}.", False
    wins = pair.better if pair.rule == winner else pair.metric.better(0.0, pair.interval.mean)
    words = f"{pair.rule}'s {metric.heading} is {_amount(pair, pair.effect[0])} than {pair.against}'s"
    if pair.sure and wins:
        return f"{winner} won {where}: {words}.", True
    if pair.sure:
        return f"No clear winner {where}: {winner} has the best mean, but sequence by sequence {words}.", False
    return f"No sure winner {where}: {winner} has the best mean {metric.heading}; {words}, which may be chance.", False


def _no_better_than_nothing(comparisons: Sequence[PairedComparison], part: Slice, winner: str, where: str) -> str:
    """What stands in the way of a win: a trivial predictor that is as good, or not surely worse; empty if none is."""
    against = [one for one in comparisons if (one.slice, one.rule) == (part, winner) and one.against in KNOWS_NOTHING]
    against = [one for one in against if one.sequences]
    if worse := [one for one in against if not one.better]:
        words = " or ".join(one.against for one in worse)
        return f"No rule won {where}: {winner} has the best {worse[0].metric.heading} of the rules, and does not beat {words}."
    if unsure := [one for one in against if not one.sure]:
        words = " or ".join(one.against for one in unsure)
        return f"No sure winner {where}: that {winner}, the best of the rules, beats {words} may be chance."
    return ""


def _amount(pair: PairedComparison, value: float) -> str:
    """`38.2 % lower`."""
    size = f"{abs(value):.1f} %" if pair.ratio else f"{_number(abs(value), pair.metric)} {pair.metric.unit}".strip()
    return f"{size} {'lower' if value < 0 else 'higher'}"


def _number(value: float, metric: Metric) -> str:
    return f"{value:.{metric.digits}f}"


def _how_sure(pair: PairedComparison) -> list[str]:
    """Interval, test, what stands in the way of being sure, and the noise."""
    count, scenes = len(pair.sequences), pair.interval.clusters
    if not count:
        return [f"{pair.rule} and {pair.against} have no sequence in common."]
    _, low, high = pair.effect
    text = f"Over {count} sequence{'s' * (count != 1)}"
    text += f" of {scenes} scene{'s' * (scenes != 1)}" if scenes != count else ""
    if math.isnan(low):
        text += f", {pair.rule} is better on {pair.wins}; one scene gives no interval."
    else:
        percent = f"{100 * pair.interval.level:.0f} %"
        text += f", the {percent} interval goes from {_amount(pair, low)} to {_amount(pair, high)}; "
        text += f"{pair.rule} is better on {pair.wins} of {count}."
    test = f"Sign-flip test: p = {pair.test.p:.2g}, after Holm's correction for {pair.family} comparison"
    test += (
        f"{'s' * (pair.family != 1)} {pair.p_corrected:.2g}; {'sure' if pair.sure else 'not sure'} at the 5 % level."
    )
    if pair.family * pair.test.smallest > 0.05 and pair.test.clusters <= EXACT_UP_TO:
        test += f" {scenes} scenes cannot give less than p = {pair.test.smallest:.2g} before the correction: more are needed."
    if 1 < scenes < FEW_SCENES:
        test += " With so few scenes the interval is too narrow."
    if pair.noise.degrees == 0:
        noise = "Nothing was repeated, so the noise between runs is not known."
    else:
        floor, mean = (100 * v if pair.ratio else v for v in (pair.noise.deviation, pair.noise_of_mean))
        unit = " %" if pair.ratio else f" {pair.metric.unit}".rstrip()
        noise = (
            f"Runs of one rule on one sequence differ by {floor:.2g}{unit} (standard deviation), which gives the mean "
        )
        noise += f"difference a deviation of {mean:.2g}{unit}"
        noise += "." if pair.above_noise else ": the difference is within the noise."
    return [text, test, noise]


def _control(comparisons: Sequence[PairedComparison], part: Slice, winner: str) -> list[str]:
    """Whether the winner's gate beats the constant of its own mean gain."""
    name = Control.EQUAL_GAIN.of(winner)
    pair = next((one for one in comparisons if (one.slice, one.rule, one.against) == (part, winner, name)), None)
    if pair is None or not pair.sequences:
        return []
    words = f"Against the constant with the mean gain of {winner}, its {pair.metric.heading} is "
    words += f"{_amount(pair, pair.effect[0])} (p = {pair.p_corrected:.2g} corrected)"
    if pair.sure and pair.better:
        return [f"{words}: it matters where and when the gate writes, not only how much."]
    return [f"{words}: it is not shown that the gate does more than write less."]


def _cost(costs: Mapping[str, RuleCosts], winner: str, rival: str) -> list[str]:
    """Time and memory of the winner and its rival."""
    if winner not in costs or rival not in costs:
        return ["Costs were not measured."]
    together = min(costs[rule].together for rule in (winner, rival))
    if together > 1:
        text = f"Cost: {winner} and {rival} ran in one pass of {together:g} rules, {costs[winner].main:.3g} s a frame"
        return [text + " for all together: their times cannot be separated."]
    ours, theirs = (costs[rule].main for rule in (winner, rival))
    if not (ours > 0 and theirs > 0):
        return ["Seconds per frame were not measured."]
    text = f"Cost: {winner} takes {ours:.3g} s a frame, {rival} {theirs:.3g} s ({100 * (ours / theirs - 1):+.1f} %)"
    peaks = [costs[rule].peak_bytes / GIB for rule in (winner, rival)]
    return [text + (f"; peak memory {peaks[0]:.2f} and {peaks[1]:.2f} GiB." if all(peaks) else ".")]


def _failures(here: Sequence[Failure], metric: Metric, sequences: int) -> tuple[str, ...]:
    """What is missing of the metric that decides, by name, and how much else."""
    if not here:
        return (f"Nothing failed: every rule has a number on all {sequences} sequences at every length.",)
    units = list(dict.fromkeys((one.rule, one.sequence) for one in here if one.concerns(metric.name)))
    others = len({(one.rule, one.sequence) for one in here} - set(units))
    text = f"No {metric.heading} is missing: every rule has it on all {sequences} sequences at every length."
    if units:
        named = ", ".join(f"{rule} on {sequence}" for rule, sequence in units[:3])
        more = f" and {len(units) - 3} more" if len(units) > 3 else ""
        text = (
            f"{len(units)} result{'s' * (len(units) != 1)} failed or fell short: {named}{more}; a table below says why."
        )
    if others:
        text += f" {others} result{'s have' if others != 1 else ' has'} no number of another metric."
    return (text,)
