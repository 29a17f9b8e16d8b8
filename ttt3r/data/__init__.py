"""Real input: images, video and benchmark sequences, prepared exactly as the networks expect them."""

from ttt3r.data.clip import Clip as Clip
from ttt3r.data.demo import write_demo_sequence as write_demo_sequence
from ttt3r.data.images import BrokenImage as BrokenImage
from ttt3r.data.images import CropToPatches as CropToPatches
from ttt3r.data.images import ResizePolicy as ResizePolicy
from ttt3r.data.images import StretchToPatches as StretchToPatches
from ttt3r.data.images import open_image as open_image
from ttt3r.data.images import to_image as to_image
from ttt3r.data.images import to_tensor as to_tensor
from ttt3r.data.opening import open_clip as open_clip
from ttt3r.data.opening import open_source as open_source
from ttt3r.data.prefetch import Prefetch as Prefetch
from ttt3r.data.source import BrokenVideo as BrokenVideo
from ttt3r.data.source import FrameSource as FrameSource
from ttt3r.data.source import Sampling as Sampling
from ttt3r.data.source import SourceFrame as SourceFrame
