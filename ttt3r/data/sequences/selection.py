"""The frames that the published evaluations take of a sequence, as data: which files, in which order, from where, how many.

Of `records` in order, those with the truth that is needed are kept; then from `first`, every `stride`-th, at most `cap`:

    SELECTIONS["scannet/stride3-1000"].of(recording)  ->  frames 0, 3, 6, ... and what is wrong with them

The recurrence is causal and every family of caps takes prefixes of one list: one run at the largest cap serves all others.
Sources: the preparation scripts and loaders of TTT3R, CUT3R, MonST3R, Spann3R and Pi3; tests compare with recorded output.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ttt3r.data.checks.findings import Finding, Problem, Severity
from ttt3r.data.sequences.pairing import ByRank, ByTime, Pairing
from ttt3r.data.sequences.recording import Record, Recording


@dataclass(frozen=True)
class FrameSelection:
    """Which frames of which sequences of a dataset.

    Args:
        name: `dataset/frames`, e.g. `tum/1000`.
        dataset: name in `DATASETS`.
        sequences: names in order; empty for all that are found.
        first: index of the first frame.
        stride: every n-th frame.
        cap: largest number of frames; a shorter sequence gives what it has. `None` for no limit.
        stop: frames of the recording from this index on are ignored. `None` for no limit.
        whole_strides: a last stride that is not full counts for nothing: floor((total - first) / stride) frames.
        at_least: the stride is at most total // at_least, so that short sequences give this number of frames; 0 for no such
        rule.
        pairing: by which poses and depths belong to images, where the protocol has another rule than the layout.
        by_name: files in the order of their names as text instead of times and numbers.
        needs_camera: images without a pose are left out before counting. A pose that was lost (not finite) counts as there.
        tracked: images whose pose was lost are left out before counting, too.
        needs_depth: images without a depth map are left out before counting.

    Raises:
        ValueError: for a stride or cap below 1, or a negative index.
    """

    name: str
    dataset: str
    sequences: tuple[str, ...] = ()
    first: int = 0
    stride: int = 1
    cap: int | None = None
    stop: int | None = None
    whole_strides: bool = False
    at_least: int = 0
    pairing: Pairing | None = None
    by_name: bool = False
    needs_camera: bool = False
    tracked: bool = False
    needs_depth: bool = False

    def __post_init__(self) -> None:
        if self.stride < 1 or (self.cap is not None and self.cap < 1):
            raise ValueError(f"{self.name}: stride={self.stride} and cap={self.cap} must be at least 1")
        if self.first < 0 or self.at_least < 0:
            raise ValueError(f"{self.name}: first={self.first} and at_least={self.at_least} must not be negative")

    def indices(self, total: int) -> range:
        """The indices taken of `total` frames that have what is needed."""
        total = total if self.stop is None else min(total, self.stop)
        stride = min(self.stride, max(1, total // self.at_least)) if self.at_least else self.stride
        available = max(0, total - self.first)
        count = available // stride if self.whole_strides else -(-available // stride)
        count = count if self.cap is None else min(count, self.cap)
        return range(self.first, self.first + count * stride, stride)

    def of(self, recording: Recording) -> tuple[tuple[Record, ...], tuple[Finding, ...]]:
        """The frames taken of a recording, and a finding where they are fewer than the cap."""
        records = [record for record in recording.records(self.pairing, self.by_name) if self._serves(record)]
        taken = tuple(records[index] for index in self.indices(len(records)))
        if self.cap is None or len(taken) >= self.cap:
            return taken, ()
        detail = f"{recording.name} gives {len(taken)} frames where {self.name} asks for {self.cap}"
        cure = "the published numbers are of what there is; compare lengths only over sequences that reach them"
        return taken, (Finding(Problem.TOO_SHORT, recording.name, Severity.WARNING, detail, cure),)

    def _serves(self, record: Record) -> bool:
        return (
            (record.camera_to_world is not None or not self.needs_camera)
            and (record.tracked or not self.tracked)
            and (record.depth is not None or not self.needs_depth)
        )

    def capped(self, frames: int) -> "FrameSelection":
        """The same with another cap. The name stays: say the length beside it."""
        return replace(self, cap=frames)

    def strict(self) -> "FrameSelection":
        """Without what is wrong in the published one.

        Poses and depths belong to images by the layout's own rule, the last stride counts, and where poses were only needed
        because lists were cut to one length, every image is taken: one without a pose is seen by the network and not judged.
        """
        return replace(
            self,
            pairing=None,
            by_name=False,
            whole_strides=False,
            needs_camera=self.tracked,
            needs_depth=self.needs_depth and not self.needs_camera,
        )


SCANNET_TEST = tuple(f"scene{number:04d}_00" for number in range(707, 807))
"""The 100 test scenes of ScanNet."""
TUM_DYNAMIC = tuple(
    f"rgbd_dataset_freiburg3_{kind}_{motion}"
    for kind in ("sitting", "walking")
    for motion in ("halfsphere", "rpy", "static", "xyz")
)
"""The eight dynamic sequences of TUM RGB-D."""
BONN_FIVE = tuple(f"rgbd_bonn_{name}" for name in ("balloon2", "crowd2", "crowd3", "person_tracking2", "synchronous"))
"""The five sequences of Bonn."""
KITTI_DRIVES = tuple(
    f"2011_{day}_drive_{drive:04d}_sync_02"
    for day, drives in {"09_26": (2, 5, 13, 20, 23, 36, 79, 95, 113), "09_28": (37,), "09_29": (26,)}.items()
    for drive in drives
) + ("2011_09_30_drive_0016_sync_02", "2011_10_03_drive_0047_sync_02")
"""The 13 validation drives of KITTI depth."""
_ALLEY_TO_TEMPLE = {
    **{"alley": (1, 2), "ambush": (2, 4, 5, 6, 7), "bamboo": (1, 2), "bandage": (1, 2), "cave": (2, 4)},
    **{"market": (2, 5, 6), "mountain": (1,), "shaman": (2, 3), "sleeping": (1, 2), "temple": (2, 3)},
}
SINTEL_ALL = tuple(f"{name}_{number}" for name, numbers in _ALLEY_TO_TEMPLE.items() for number in numbers)
"""The 23 training sequences of Sintel."""
_NOT_FOR_POSES = ("alley_1", "ambush_2", "ambush_7", "bamboo_1", "bamboo_2", "bandage_1", "bandage_2", "mountain_1")
SINTEL_POSE = tuple(name for name in SINTEL_ALL if name not in (*_NOT_FOR_POSES, "shaman_2"))
"""The 14 of them in which cameras are judged."""
_SEVEN_SCENES = {
    **{"chess": (3, 5), "fire": (3, 4), "heads": (1,), "office": (2, 6, 7, 9), "pumpkin": (1, 7)},
    **{"redkitchen": (3, 4, 6, 12, 14), "stairs": (1, 4)},
}
SEVEN_SCENES_TEST = tuple(f"{scene}/seq-{n:02d}" for scene, numbers in _SEVEN_SCENES.items() for n in numbers)
"""The 18 test sequences of 7-Scenes."""
KITTI_TRAINING = tuple(f"{number:02d}" for number in range(11))
"""The 11 sequences of KITTI odometry with true poses."""
_OXFORD = {"keble-college": (2, 3, 4, 5), "observatory-quarter": (1, 2), "christ-church": (2, 3, 5)}
OXFORD_SPIRES_TEN = tuple(f"{site}-{n:02d}" for site, numbers in _OXFORD.items() for n in numbers) + (
    "bodleian-library-02",
)
"""The ten sequences of the evaluations of LingBot-Map; with Blenheim Palace and christ-church-01 there are fourteen."""
_VBR = {"campus": (0, 1), "ciampino": (1,), "colosseo": (0,), "diag": (0,), "pincio": (0,), "spagna": (0,)}
VBR_TRAINING = tuple(f"{place}_train{number}" for place, numbers in _VBR.items() for number in numbers)
"""The seven of the evaluations of LoGeR, LingBot-Map and ABot-Recon; the dataset has ciampino_train0 as well."""

_TABLE_TO_CURVE = (50, 90, *range(100, 1001, 50))


def _scannet() -> Iterable[FrameSelection]:
    """Three lists by rank and number, stride 3. The table of the papers takes every third of the first 270 instead."""
    short = FrameSelection(
        "scannet/first270-stride3", "scannet", SCANNET_TEST, stride=3, stop=270, needs_camera=True, needs_depth=True
    )
    yield replace(short, pairing=ByRank(), cap=90)
    whole = replace(short, pairing=ByRank(), stop=None, whole_strides=True)
    yield from (replace(whole, name=f"scannet/stride3-{cap}", cap=cap) for cap in _TABLE_TO_CURVE)


def _tum() -> Iterable[FrameSelection]:
    """Images with a pose within 0.02 s, one to one; every one for the curves, every third for the table, all for `tum/full`."""
    base = FrameSelection("", "tum", TUM_DYNAMIC, pairing=ByTime(0.02), needs_camera=True, tracked=True)
    yield replace(base, name="tum/stride3-90", stride=3, cap=90)
    yield from (replace(base, name=f"tum/{cap}", cap=cap) for cap in (*_TABLE_TO_CURVE[:4], *range(200, 1001, 100)))
    yield replace(base, name="tum/full")


def _depth() -> Iterable[FrameSelection]:
    """Bonn from frame 30 by rank; KITTI the annotated frames; Sintel everything."""
    for cap in (110, *range(50, 501, 50)):
        yield FrameSelection(
            f"bonn/{cap}", "bonn", BONN_FIVE, first=30, cap=cap, pairing=ByRank(), by_name=True, needs_depth=True
        )
    for cap in (110, *range(50, 501, 50)):
        yield FrameSelection(f"kitti-depth/{cap}", "kitti-depth", KITTI_DRIVES, cap=cap, needs_depth=True)
    yield FrameSelection("sintel/pose", "sintel", SINTEL_POSE)
    yield FrameSelection("sintel/depth", "sintel", SINTEL_ALL)


def _reconstruction() -> Iterable[FrameSelection]:
    """Key frames of 7-Scenes and Neural RGB-D: TTT3R stride 2; CUT3R 200 and 500; Spann3R 20 and 40; Pi3 dense 40 and 100."""
    for cap in (*range(50, 401, 50), 500):
        yield FrameSelection(f"7scenes/stride2-{cap}", "7scenes", SEVEN_SCENES_TEST, stride=2, cap=cap)
    for stride in (20, 40, 200):
        yield FrameSelection(f"7scenes/stride{stride}", "7scenes", SEVEN_SCENES_TEST, stride=stride)
    for stride in (40, 100, 500):
        yield FrameSelection(f"nrgbd/stride{stride}", "nrgbd", stride=stride, at_least=2)


def _whole() -> Iterable[FrameSelection]:
    """All frames, where no published evaluation of the family has a rule of its own."""
    yield FrameSelection("kitti-odometry/all", "kitti-odometry", KITTI_TRAINING)
    yield FrameSelection("nyu/all", "nyu", needs_depth=True)
    yield FrameSelection("posed/all", "posed")
    yield FrameSelection("replica/all", "replica")
    yield FrameSelection("eth3d-slam/all", "eth3d-slam")
    yield FrameSelection("euroc/all", "euroc")
    yield FrameSelection("nerfstudio/all", "nerfstudio")
    yield FrameSelection("oxford-spires/all", "oxford-spires")
    yield FrameSelection("oxford-spires/ten", "oxford-spires", OXFORD_SPIRES_TEN)
    yield FrameSelection("vbr/all", "vbr", VBR_TRAINING)


SELECTIONS: dict[str, FrameSelection] = {
    selection.name: selection
    for family in (_scannet(), _tum(), _depth(), _reconstruction(), _whole())
    for selection in family
}
"""Every selection by name."""
