"""State update rules: the plug-in point of the framework. `RULES` lists them, `find_rule` also finds yours."""

from ttt3r.update_rules import fast_weights as fast_weights
from ttt3r.update_rules.absorption import absorb as absorb
from ttt3r.update_rules.base import Gain as Gain
from ttt3r.update_rules.base import GatedUpdateRule as GatedUpdateRule
from ttt3r.update_rules.base import StateUpdateRule as StateUpdateRule
from ttt3r.update_rules.base import Update as Update
from ttt3r.update_rules.base import blend as blend
from ttt3r.update_rules.base import effective_gain as effective_gain
from ttt3r.update_rules.base import modules as modules
from ttt3r.update_rules.base import parts as parts
from ttt3r.update_rules.conformance.check import LAWS as LAWS
from ttt3r.update_rules.conformance.check import BrokenLaw as BrokenLaw
from ttt3r.update_rules.conformance.check import LawReport as LawReport
from ttt3r.update_rules.conformance.check import check_rule as check_rule
from ttt3r.update_rules.conformance.policies import POLICY_LAWS as POLICY_LAWS
from ttt3r.update_rules.conformance.policies import check_policy as check_policy
from ttt3r.update_rules.conformance.streams import Sizes as Sizes
from ttt3r.update_rules.evidence import AttentionEvidence as AttentionEvidence
from ttt3r.update_rules.evidence import Evidence as Evidence
from ttt3r.update_rules.evidence import Keys as Keys
from ttt3r.update_rules.evidence import UndeclaredNeedsError as UndeclaredNeedsError
from ttt3r.update_rules.facts import RuleFacts as RuleFacts
from ttt3r.update_rules.facts import rule_facts as rule_facts
from ttt3r.update_rules.learned.base import LearnedRule as LearnedRule
from ttt3r.update_rules.learned.gates import LearnedChannel as LearnedChannel
from ttt3r.update_rules.learned.gates import LearnedGRU as LearnedGRU
from ttt3r.update_rules.learned.gates import LearnedScalar as LearnedScalar
from ttt3r.update_rules.learned.gates import LearnedToken as LearnedToken
from ttt3r.update_rules.naming.labels import Control as Control
from ttt3r.update_rules.naming.labels import RuleLabel as RuleLabel
from ttt3r.update_rules.naming.registry import RULES as RULES
from ttt3r.update_rules.naming.registry import find_rule as find_rule
from ttt3r.update_rules.naming.registry import rule_names as rule_names
from ttt3r.update_rules.policies.accumulated import AfterUpdates as AfterUpdates
from ttt3r.update_rules.policies.drought import WhenUnsure as WhenUnsure
from ttt3r.update_rules.resets import Decision as Decision
from ttt3r.update_rules.resets import Every as Every
from ttt3r.update_rules.resets import Never as Never
from ttt3r.update_rules.resets import ResetPolicy as ResetPolicy
from ttt3r.update_rules.resets import StepEvidence as StepEvidence
from ttt3r.update_rules.resets import WhenFar as WhenFar
from ttt3r.update_rules.resets import as_policy as as_policy
from ttt3r.update_rules.rules.brake import Brake as Brake
from ttt3r.update_rules.rules.came import ConfidenceGuided as ConfidenceGuided
from ttt3r.update_rules.rules.clip import StepClip as StepClip
from ttt3r.update_rules.rules.constant import ConstantRate as ConstantRate
from ttt3r.update_rules.rules.cut3r import FullOverwrite as FullOverwrite
from ttt3r.update_rules.rules.damped import Damped as Damped
from ttt3r.update_rules.rules.filt3r import FILT3R as FILT3R
from ttt3r.update_rules.rules.frame_change import FrameChange as FrameChange
from ttt3r.update_rules.rules.frozen import Frozen as Frozen
from ttt3r.update_rules.rules.longhorn import ImplicitStep as ImplicitStep
from ttt3r.update_rules.rules.memix import MeMix as MeMix
from ttt3r.update_rules.rules.momentum import Momentum as Momentum
from ttt3r.update_rules.rules.norm_restored import NormRestored as NormRestored
from ttt3r.update_rules.rules.ortho import DriftTrust as DriftTrust
from ttt3r.update_rules.rules.ortho import Fixed as Fixed
from ttt3r.update_rules.rules.ortho import Match as Match
from ttt3r.update_rules.rules.ortho import Ortho as Ortho
from ttt3r.update_rules.rules.ortho import Steep as Steep
from ttt3r.update_rules.rules.ortho import Threshold as Threshold
from ttt3r.update_rules.rules.pas3r import PAS3R as PAS3R
from ttt3r.update_rules.rules.raymap3r import Always as Always
from ttt3r.update_rules.rules.raymap3r import DirectionRays as DirectionRays
from ttt3r.update_rules.rules.raymap3r import OfficialRays as OfficialRays
from ttt3r.update_rules.rules.raymap3r import PatchPooling as PatchPooling
from ttt3r.update_rules.rules.raymap3r import RayMap3R as RayMap3R
from ttt3r.update_rules.rules.raymap3r import Routed as Routed
from ttt3r.update_rules.rules.raymap3r import StripPooling as StripPooling
from ttt3r.update_rules.rules.recal3r import ReCal3R as ReCal3R
from ttt3r.update_rules.rules.retain import RetainMatched as RetainMatched
from ttt3r.update_rules.rules.ssr import SSR as SSR
from ttt3r.update_rules.rules.stride import Stride as Stride
from ttt3r.update_rules.rules.suppress import Suppress as Suppress
from ttt3r.update_rules.rules.titans import MomentumAndDecay as MomentumAndDecay
from ttt3r.update_rules.rules.ttsa3r import TTSA3R as TTSA3R
from ttt3r.update_rules.rules.ttt3r import TTT3R as TTT3R
from ttt3r.update_rules.wrappers.attention_record import AttentionRecord as AttentionRecord
from ttt3r.update_rules.wrappers.attention_record import AttentionRecorded as AttentionRecorded
from ttt3r.update_rules.wrappers.combinations import Chain as Chain
from ttt3r.update_rules.wrappers.combinations import Product as Product
from ttt3r.update_rules.wrappers.combinations import Schedule as Schedule
from ttt3r.update_rules.wrappers.gain_record import GainRecord as GainRecord
from ttt3r.update_rules.wrappers.gain_record import Recorded as Recorded
from ttt3r.update_rules.wrappers.pose import PoseDamped as PoseDamped
from ttt3r.update_rules.wrappers.rates import Anneal as Anneal
from ttt3r.update_rules.wrappers.rates import EveryNth as EveryNth
from ttt3r.update_rules.wrappers.rates import Scale as Scale
from ttt3r.update_rules.wrappers.token_mean import TokenMean as TokenMean

# The names that these classes had before they were called as their papers call them; kept for code that was written then.
ConfidenceAware = TTT3R
TemporalSpatial = TTSA3R
KalmanGain = FILT3R
MemoryMixture = MeMix
Calibrated = ReCal3R
StaticView = RayMap3R
PoseAdaptive = PAS3R
SelfExpressive = SSR
Clip = StepClip

__all__ = [
    "RuleFacts",
    "as_policy",
    "rule_facts",
    "AfterUpdates",
    "Decision",
    "GainRecord",
    "StepEvidence",
    "WhenUnsure",
    "Always",
    "Anneal",
    "AttentionEvidence",
    "AttentionRecord",
    "AttentionRecorded",
    "Brake",
    "BrokenLaw",
    "Calibrated",
    "Chain",
    "Clip",
    "ConfidenceAware",
    "ConfidenceGuided",
    "ConstantRate",
    "Control",
    "Damped",
    "DirectionRays",
    "DriftTrust",
    "Every",
    "EveryNth",
    "Evidence",
    "FILT3R",
    "Fixed",
    "FrameChange",
    "Frozen",
    "FullOverwrite",
    "Gain",
    "GatedUpdateRule",
    "ImplicitStep",
    "KalmanGain",
    "Keys",
    "LAWS",
    "LawReport",
    "LearnedChannel",
    "LearnedGRU",
    "LearnedRule",
    "LearnedScalar",
    "LearnedToken",
    "Match",
    "MeMix",
    "MemoryMixture",
    "Momentum",
    "MomentumAndDecay",
    "Never",
    "NormRestored",
    "OfficialRays",
    "Ortho",
    "PAS3R",
    "PatchPooling",
    "PoseAdaptive",
    "PoseDamped",
    "Product",
    "RULES",
    "RayMap3R",
    "ReCal3R",
    "Recorded",
    "ResetPolicy",
    "RetainMatched",
    "Routed",
    "RuleLabel",
    "SSR",
    "Scale",
    "Schedule",
    "SelfExpressive",
    "Sizes",
    "StateUpdateRule",
    "StaticView",
    "Steep",
    "StepClip",
    "Stride",
    "StripPooling",
    "Suppress",
    "TTSA3R",
    "TTT3R",
    "TemporalSpatial",
    "Threshold",
    "TokenMean",
    "UndeclaredNeedsError",
    "Update",
    "WhenFar",
    "absorb",
    "blend",
    "POLICY_LAWS",
    "check_policy",
    "check_rule",
    "effective_gain",
    "fast_weights",
    "find_rule",
    "modules",
    "parts",
    "rule_names",
]
