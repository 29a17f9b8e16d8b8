"""Every rule of the package by its name, and from a name to a class and back."""

import ttt3r.update_rules.naming.find as find
from ttt3r.update_rules.base import StateUpdateRule
from ttt3r.update_rules.learned.gates import LearnedChannel, LearnedGRU, LearnedScalar, LearnedToken
from ttt3r.update_rules.rules.brake import Brake
from ttt3r.update_rules.rules.came import ConfidenceGuided
from ttt3r.update_rules.rules.clip import StepClip
from ttt3r.update_rules.rules.constant import ConstantRate
from ttt3r.update_rules.rules.cut3r import FullOverwrite
from ttt3r.update_rules.rules.damped import Damped
from ttt3r.update_rules.rules.filt3r import FILT3R
from ttt3r.update_rules.rules.frame_change import FrameChange
from ttt3r.update_rules.rules.frozen import Frozen
from ttt3r.update_rules.rules.longhorn import ImplicitStep
from ttt3r.update_rules.rules.memix import MeMix
from ttt3r.update_rules.rules.momentum import Momentum
from ttt3r.update_rules.rules.norm_restored import NormRestored
from ttt3r.update_rules.rules.ortho import Ortho
from ttt3r.update_rules.rules.pas3r import PAS3R
from ttt3r.update_rules.rules.raymap3r import RayMap3R
from ttt3r.update_rules.rules.recal3r import ReCal3R
from ttt3r.update_rules.rules.retain import RetainMatched
from ttt3r.update_rules.rules.ssr import SSR
from ttt3r.update_rules.rules.stride import Stride
from ttt3r.update_rules.rules.suppress import Suppress
from ttt3r.update_rules.rules.titans import MomentumAndDecay
from ttt3r.update_rules.rules.ttsa3r import TTSA3R
from ttt3r.update_rules.rules.ttt3r import TTT3R
from ttt3r.update_rules.wrappers.attention_record import AttentionRecorded
from ttt3r.update_rules.wrappers.combinations import Chain, Product, Schedule
from ttt3r.update_rules.wrappers.gain_record import Recorded
from ttt3r.update_rules.wrappers.pose import PoseDamped
from ttt3r.update_rules.wrappers.rates import Anneal, EveryNth, Scale
from ttt3r.update_rules.wrappers.token_mean import TokenMean

RULES: dict[str, type[StateUpdateRule]] = {
    kind.name: kind
    for kind in (
        FullOverwrite,
        TTT3R,
        TTSA3R,
        FILT3R,
        MeMix,
        ReCal3R,
        ConstantRate,
        Frozen,
        Stride,
        Damped,
        Brake,
        Ortho,
        StepClip,
        Momentum,
        RayMap3R,
        PAS3R,
        FrameChange,
        SSR,
        ImplicitStep,
        MomentumAndDecay,
        ConfidenceGuided,
        NormRestored,
        Suppress,
        RetainMatched,
        LearnedScalar,
        LearnedToken,
        LearnedChannel,
        LearnedGRU,
    )
}
"""The built-in rules by name; each can be made without arguments. A new rule is one file and one line here."""

WRAPPERS: dict[str, type[StateUpdateRule]] = {
    kind.name: kind
    for kind in (Scale, Anneal, EveryNth, PoseDamped, Recorded, AttentionRecorded, TokenMean, Product, Chain, Schedule)
}
"""What goes around other rules, by name; made with the rules that it goes around: `scale:rule=(ttt3r):factor=0.5`."""


def find_rule(name: str) -> type[StateUpdateRule]:
    """The class of a rule, by its name in `RULES`, by the name of an installed plug-in, or by the dotted path of your own.

    A plug-in is an entry point of the group `ttt3r.rules`; it is imported only when it is asked for. A dotted path such as
    `my_lab.MyRule` names a class of an importable module, or of the file `my_lab.py` in the current folder.

    Raises:
        ValueError: if there is no such rule; names the known ones and those that look alike.
        TypeError: if the class is no `StateUpdateRule`, or is not finished.
        ImportError: if a plug-in or a file cannot be loaded.

    Examples:
        >>> find_rule("ttt3r")
        <class 'ttt3r.update_rules.rules.ttt3r.TTT3R'>
    """
    return WRAPPERS.get(name) or find.find(name, RULES)


def rule_names() -> list[str]:
    """Every name that `find_rule` knows: the built-in rules, then installed plug-ins. Imports no plug-in."""
    return [*RULES, *(name for name in sorted(find.installed()) if name not in RULES)]


def name_of(kind: type[StateUpdateRule]) -> str:
    """The one name of a rule's class, by which `find_rule` finds it.

    Of a rule of this package or a plug-in, that by which it is registered; of any other, the dotted path of its class.

    Examples:
        >>> name_of(find_rule("ttt3r"))
        'ttt3r'
    """
    # Only what is registered under it counts: a class of one's own may have a setting called `name`, or inherit one.
    known = RULES | WRAPPERS
    declared = vars(kind).get("name")
    if isinstance(declared, str) and known.get(declared) is kind:
        return declared
    for name, point in find.installed().items():
        if name not in known and (point.module, point.attr) == (kind.__module__, kind.__qualname__):
            return name
    return f"{kind.__module__}.{kind.__qualname__}"
