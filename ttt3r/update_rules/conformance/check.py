"""The law suite: does a rule do what the loop, the rollout and a fair comparison rely on? For users, graders and tests."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

import ttt3r.tree as tree
from ttt3r.update_rules.base import StateUpdateRule, modules
from ttt3r.update_rules.conformance.laws import FIRST, LAWS, Law
from ttt3r.update_rules.conformance.streams import Sizes, make_stream
from ttt3r.update_rules.conformance.trial import Trial, Violation, first_line


@dataclass(frozen=True)
class LawReport:
    """Every law that a rule was found to keep; prints one line each.

    Args:
        rule: the rule, as it prints.
        laws: name and meaning of each law.
    """

    rule: str
    laws: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        lines = [f"  {name.replace('_', ' ')}: {meaning}" for name, meaning in self.laws]
        return "\n".join([f"{self.rule} keeps all {len(self.laws)} laws", *lines])


class BrokenLaw(AssertionError):  # noqa: N818 (the law is what is broken)
    """A rule or reset policy breaks laws. The message has one line for each: what was expected, what happened, the likely cure.

    Args:
        rule: the rule, as it prints.
        broken: what went wrong, by the name of the law.
        untried: how many laws were not tried because one of the first ones is broken.
        laws: how many there are.
    """

    def __init__(self, rule: str, broken: dict[str, str], untried: int = 0, laws: int = len(LAWS)) -> None:
        lines = [f"  {name}: {what}" for name, what in broken.items()]
        if untried:
            lines.append(f"  ({untried} further laws were not tried; repair these first)")
        super().__init__("\n".join([f"{rule} breaks {len(broken)} of {laws} laws:", *lines]))
        self.laws = tuple(broken)


def check_rule(
    rule: StateUpdateRule | type[StateUpdateRule],
    *,
    sizes: Sizes = Sizes(),
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> LawReport:
    """Try a rule against every law, on synthetic streams and without a network.

    Args:
        rule: the rule, or its class if it can be made without arguments. A module is tried where it lives and in the mode
            it is in; give its device.
        sizes: sizes of the streams, for a learned rule that only fits some.
        device: where the streams live.
        seed: of the streams.

    Raises:
        BrokenLaw: if a law is broken; names each of them.
        TypeError: if this is no rule, or a class that needs arguments.

    Examples:
        >>> from ttt3r.update_rules.rules.constant import ConstantRate
        >>> print(str(check_rule(ConstantRate(rate=0.5))).splitlines()[0])
        ConstantRate(rate=0.5) keeps all 15 laws
    """
    made = _made(rule)
    frames = make_stream(sizes, device, seed)
    broken: dict[str, str] = {}
    cause: Exception | None = None
    cuda = [torch.device(device)] if torch.device(device).type == "cuda" else []
    for law in LAWS:
        if law not in FIRST and any(first.__name__ in broken for first in FIRST):
            break
        trial = Trial(made, tree.map_tensors(Tensor.clone, frames))
        with torch.no_grad(), torch.random.fork_rng(devices=cuda):
            error = _try(law, trial)
        if error is not None:
            broken[law.__name__] = str(error)
            cause = cause or error.__cause__  # pyright: ignore[reportAssignmentType]
    if broken:
        untried = len(LAWS) - len(FIRST) if any(law.__name__ in broken for law in FIRST) else 0
        raise BrokenLaw(repr(made), broken, untried) from cause
    return LawReport(repr(made), tuple((law.__name__, meaning(law)) for law in LAWS))


def meaning(law: Callable[..., None]) -> str:
    """One line that says what a law asks."""
    return next(iter((law.__doc__ or "").strip().splitlines()), law.__name__)


def _try(law: Law, trial: Trial) -> Violation | None:
    try:
        law(trial)
    except Violation as violation:
        return violation
    except Exception as error:
        violation = Violation(
            f"that {meaning(law)[0].lower()}{meaning(law)[1:-1]}", first_line(error), "see the error above"
        )
        violation.__cause__ = error
        return violation
    return None


def _made(rule: StateUpdateRule | type[StateUpdateRule]) -> StateUpdateRule:
    if isinstance(rule, StateUpdateRule):
        return copy.deepcopy(rule) if any(modules(rule)) else rule  # a trial must not give a learned rule its size
    if not (isinstance(rule, type) and issubclass(rule, StateUpdateRule)):
        raise TypeError(f"{rule!r} is no rule; derive it from ttt3r.update_rules.GatedUpdateRule or StateUpdateRule")
    try:
        return rule()
    except TypeError as error:
        raise TypeError(
            f"{rule.__name__} cannot be made without arguments ({error}); give its settings defaults, or check an instance"
        ) from error
