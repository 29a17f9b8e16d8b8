"""Real input: images, video and benchmark sequences, prepared exactly as the networks expect them."""

from ttt3r.data.checks.findings import BadSequence as BadSequence
from ttt3r.data.checks.findings import Finding as Finding
from ttt3r.data.checks.findings import Problem as Problem
from ttt3r.data.checks.findings import Severity as Severity
from ttt3r.data.frames.images import BrokenImage as BrokenImage
from ttt3r.data.frames.images import CropToPatches as CropToPatches
from ttt3r.data.frames.images import ResizePolicy as ResizePolicy
from ttt3r.data.frames.images import StretchToPatches as StretchToPatches
from ttt3r.data.frames.images import open_image as open_image
from ttt3r.data.frames.images import to_image as to_image
from ttt3r.data.frames.images import to_tensor as to_tensor
from ttt3r.data.frames.prefetch import Prefetch as Prefetch
from ttt3r.data.frames.source import BrokenVideo as BrokenVideo
from ttt3r.data.frames.source import FrameSource as FrameSource
from ttt3r.data.frames.source import Sampling as Sampling
from ttt3r.data.frames.source import SourceFrame as SourceFrame
from ttt3r.data.opening import open_clip as open_clip
from ttt3r.data.opening import open_source as open_source
from ttt3r.data.sequences.clip import Clip as Clip
from ttt3r.data.sequences.dataset import Dataset as Dataset
from ttt3r.data.sequences.datasets import DATASETS as DATASETS
from ttt3r.data.sequences.datasets import places_of as places_of
from ttt3r.data.sequences.datasets import recognise as recognise
from ttt3r.data.sequences.demo import write_demo_sequence as write_demo_sequence
from ttt3r.data.sequences.layout import Place as Place
from ttt3r.data.sequences.selection import SELECTIONS as SELECTIONS
from ttt3r.data.sequences.selection import FrameSelection as FrameSelection

__all__ = [
    "BadSequence",
    "BrokenImage",
    "BrokenVideo",
    "Clip",
    "CropToPatches",
    "DATASETS",
    "Dataset",
    "Finding",
    "FrameSelection",
    "FrameSource",
    "Place",
    "Prefetch",
    "Problem",
    "ResizePolicy",
    "SELECTIONS",
    "Sampling",
    "Severity",
    "SourceFrame",
    "StretchToPatches",
    "open_clip",
    "open_image",
    "open_source",
    "places_of",
    "recognise",
    "to_image",
    "to_tensor",
    "write_demo_sequence",
]
