"""State update rules: the plug-in point of the framework. `RULES` lists them, `find_rule` also finds yours."""

from ttt3r.update_rules import fast_weights as fast_weights
from ttt3r.update_rules import find
from ttt3r.update_rules.absorption import Absorbed as Absorbed
from ttt3r.update_rules.absorption import absorb as absorb
from ttt3r.update_rules.attention_record import AttentionRecord as AttentionRecord
from ttt3r.update_rules.attention_record import AttentionRecorded as AttentionRecorded
from ttt3r.update_rules.base import Gain as Gain
from ttt3r.update_rules.base import GatedUpdateRule as GatedUpdateRule
from ttt3r.update_rules.base import StateUpdateRule as StateUpdateRule
from ttt3r.update_rules.base import Update as Update
from ttt3r.update_rules.base import blend as blend
from ttt3r.update_rules.base import effective_gain as effective_gain
from ttt3r.update_rules.base import modules as modules
from ttt3r.update_rules.base import parts as parts
from ttt3r.update_rules.brake import Brake as Brake
from ttt3r.update_rules.came import ConfidenceGuided as ConfidenceGuided
from ttt3r.update_rules.clip import Clip as Clip
from ttt3r.update_rules.combinations import Chain as Chain
from ttt3r.update_rules.combinations import Product as Product
from ttt3r.update_rules.combinations import RuleStates as RuleStates
from ttt3r.update_rules.combinations import Schedule as Schedule
from ttt3r.update_rules.constant import ConstantRate as ConstantRate
from ttt3r.update_rules.cut3r import FullOverwrite as FullOverwrite
from ttt3r.update_rules.damped import Damped as Damped
from ttt3r.update_rules.drift_trust import DriftTrust as DriftTrust
from ttt3r.update_rules.drift_trust import Fixed as Fixed
from ttt3r.update_rules.drift_trust import Match as Match
from ttt3r.update_rules.drift_trust import Steep as Steep
from ttt3r.update_rules.drift_trust import Threshold as Threshold
from ttt3r.update_rules.evidence import AttentionEvidence as AttentionEvidence
from ttt3r.update_rules.evidence import Evidence as Evidence
from ttt3r.update_rules.evidence import Keys as Keys
from ttt3r.update_rules.evidence import UndeclaredNeedsError as UndeclaredNeedsError
from ttt3r.update_rules.facts import RuleFacts as RuleFacts
from ttt3r.update_rules.facts import rule_facts as rule_facts
from ttt3r.update_rules.filt3r import KalmanGain as KalmanGain
from ttt3r.update_rules.frame_change import FrameChange as FrameChange
from ttt3r.update_rules.frozen import Frozen as Frozen
from ttt3r.update_rules.law_evidence import Sizes as Sizes
from ttt3r.update_rules.laws import BrokenLaw as BrokenLaw
from ttt3r.update_rules.laws import LawReport as LawReport
from ttt3r.update_rules.laws import check_rule as check_rule
from ttt3r.update_rules.learned import LearnedRule as LearnedRule
from ttt3r.update_rules.learned_channel import LearnedChannel as LearnedChannel
from ttt3r.update_rules.learned_gru import LearnedGRU as LearnedGRU
from ttt3r.update_rules.learned_scalar import LearnedScalar as LearnedScalar
from ttt3r.update_rules.learned_token import LearnedToken as LearnedToken
from ttt3r.update_rules.longhorn import ImplicitStep as ImplicitStep
from ttt3r.update_rules.memix import MemoryMixture as MemoryMixture
from ttt3r.update_rules.momentum import Momentum as Momentum
from ttt3r.update_rules.norm_restored import NormRestored as NormRestored
from ttt3r.update_rules.ortho import Ortho as Ortho
from ttt3r.update_rules.pas3r import PoseAdaptive as PoseAdaptive
from ttt3r.update_rules.raymap3r import StaticView as StaticView
from ttt3r.update_rules.raymap3r_parts import Always as Always
from ttt3r.update_rules.raymap3r_parts import DirectionRays as DirectionRays
from ttt3r.update_rules.raymap3r_parts import OfficialRays as OfficialRays
from ttt3r.update_rules.raymap3r_parts import PatchPooling as PatchPooling
from ttt3r.update_rules.raymap3r_parts import Routed as Routed
from ttt3r.update_rules.raymap3r_parts import StripPooling as StripPooling
from ttt3r.update_rules.recal3r import Calibrated as Calibrated
from ttt3r.update_rules.resets import Every as Every
from ttt3r.update_rules.resets import Never as Never
from ttt3r.update_rules.resets import ResetPolicy as ResetPolicy
from ttt3r.update_rules.resets import WhenFar as WhenFar
from ttt3r.update_rules.resets import as_policy as as_policy
from ttt3r.update_rules.retain import RetainMatched as RetainMatched
from ttt3r.update_rules.ssr import SelfExpressive as SelfExpressive
from ttt3r.update_rules.suppress import Suppress as Suppress
from ttt3r.update_rules.titans import MomentumAndDecay as MomentumAndDecay
from ttt3r.update_rules.token_mean import TokenMean as TokenMean
from ttt3r.update_rules.ttsa3r import TemporalSpatial as TemporalSpatial
from ttt3r.update_rules.ttt3r import ConfidenceAware as ConfidenceAware
from ttt3r.update_rules.wrappers import Anneal as Anneal
from ttt3r.update_rules.wrappers import EveryNth as EveryNth
from ttt3r.update_rules.wrappers import GainRecord as GainRecord
from ttt3r.update_rules.wrappers import Recorded as Recorded
from ttt3r.update_rules.wrappers import Scale as Scale

RULES: dict[str, type[StateUpdateRule]] = {
    "cut3r": FullOverwrite,
    "ttt3r": ConfidenceAware,
    "ttsa3r": TemporalSpatial,
    "filt3r": KalmanGain,
    "memix": MemoryMixture,
    "recal3r": Calibrated,
    "constant": ConstantRate,
    "frozen": Frozen,
    "damped": Damped,
    "brake": Brake,
    "ortho": Ortho,
    "clip": Clip,
    "momentum": Momentum,
    "raymap3r": StaticView,
    "pas3r": PoseAdaptive,
    "frame_change": FrameChange,
    "ssr": SelfExpressive,
    "longhorn": ImplicitStep,
    "titans": MomentumAndDecay,
    "came": ConfidenceGuided,
    "norm_restored": NormRestored,
    "suppress": Suppress,
    "retain": RetainMatched,
    "learned_scalar": LearnedScalar,
    "learned_token": LearnedToken,
    "learned_channel": LearnedChannel,
    "learned_gru": LearnedGRU,
}
"""The built-in rules by name; each can be made without arguments. A new rule is one file and one line here."""


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
        <class 'ttt3r.update_rules.ttt3r.ConfidenceAware'>
    """
    return find.find(name, RULES)


def rule_names() -> list[str]:
    """Every name that `find_rule` knows: the built-in rules, then installed plug-ins. Imports no plug-in."""
    return [*RULES, *(name for name in sorted(find.installed()) if name not in RULES)]
