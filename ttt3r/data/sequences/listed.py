"""Images with poses as a file lists them: where each lies, which others lie beside them, and all as a recording."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float

from ttt3r.data.checks.findings import Finding, Problem, Severity
from ttt3r.data.frames.files import natural_key, natural_order
from ttt3r.data.frames.images import IMAGE_SUFFIXES
from ttt3r.data.sequences.camera_matrices import Matrices, are_upright, matrices_of
from ttt3r.data.sequences.cameras import Camera, lens_findings
from ttt3r.data.sequences.depth import DepthFiles
from ttt3r.data.sequences.layout import present
from ttt3r.data.sequences.recording import Files, Poses, Recording

IMAGE_FOLDERS = ("images", "rgb", "color", "")
"""Where images lie, from the folder of a sequence."""

SMALLER = ("images_2", "images_4", "images_8")
"""Where the same images lie at a half, a quarter and an eighth of their size."""


@dataclass(frozen=True)
class ListedImage:
    """One image of a list: its file, camera_to_world (OpenCV axes) if the list has one, its camera, its depth map."""

    path: Path
    camera_to_world: Float[np.ndarray, "4 4"] | None
    camera: Camera
    depth: Path | None = None


@dataclass(frozen=True)
class ImageList:
    """What a file lists.

    Args:
        file: that lists the images, for messages.
        camera_file: that gives the cameras, for messages.
        images: in any order.
        others: images that lie with them and are not listed.
        per_metre: value of one metre in depth maps of whole numbers.
        floats_per_metre: value of one metre in those of floats.
        findings: what the reader noticed.
    """

    file: Path
    camera_file: Path
    images: tuple[ListedImage, ...]
    others: tuple[Path, ...] = ()
    per_metre: float = 1000.0
    floats_per_metre: float = 1.0
    findings: tuple[Finding, ...] = ()


def recording(
    empty: Recording, listed: ImageList, K: Float[np.ndarray, "3 3"] | None, depths_of: Callable[[Files], Files]
) -> Recording:
    """All images of a list and those beside it in natural order, folder by folder, stamped by their places.

    Args:
        empty: name and scene.
        listed: what the list says.
        K: camera matrix that wins over those of the list.
        depths_of: depth maps of images where the list names none.
    """
    entries, repeated = _without_repeats(listed)
    unposed = [ListedImage(path, None, Camera(None)) for path in listed.others]
    place = {path: i for i, path in enumerate(_folder_by_folder(entry.path for entry in [*entries, *unposed]))}
    every = sorted([*entries, *unposed], key=lambda entry: place[entry.path])
    stamps = np.arange(len(every), dtype=np.float64)
    images, gone = present(Files(tuple(entry.path for entry in every), stamps), listed.file)
    posed = [i for i, entry in enumerate(every) if entry.camera_to_world is not None]
    cameras = [pose for entry in every if (pose := entry.camera_to_world) is not None]
    deep = [(stamp, entry.depth) for stamp, entry in zip(stamps, every, strict=True) if entry.depth is not None]
    depths, missing = present(Files(tuple(path for _, path in deep), np.array([at for at, _ in deep])), listed.file)
    here = [entry for entry in entries if entry.path.is_file()]
    upright = are_upright([entry.camera for entry in here], [entry.path for entry in here])
    matrices = _matrices(here, listed.camera_file, K, upright)
    return replace(
        empty,
        images=images,
        poses=Poses(np.stack(cameras), stamps[posed]) if posed else Poses(),
        depths=depths if deep else depths_of(images),
        depth_source=partial(DepthFiles, per_metre=listed.per_metre, floats_per_metre=listed.floats_per_metre),
        intrinsics=matrices.shared,
        own_intrinsics=matrices.own,
        upright=upright,
        findings=(
            *(*listed.findings, *repeated, *gone, *missing, *matrices.findings),
            *_said(empty.name, listed, images, posed),
        ),
    )


def _without_repeats(listed: ImageList) -> tuple[list[ListedImage], list[Finding]]:
    first: dict[Path, ListedImage] = {}
    again = []
    for image in listed.images:
        known = first.setdefault(image.path, image)
        one, other = known.camera_to_world, image.camera_to_world
        same = one is other or (one is not None and other is not None and np.array_equal(one, other, equal_nan=True))
        again += [] if same else [image.path]
    if not again:
        return list(first.values()), []
    detail = f"{len(again)} images stand twice in {listed.file} with different poses, such as {again[0]}"
    twice = Finding(Problem.MISSING_POSES, str(listed.file), Severity.WARNING, detail, "the first pose is taken")
    return list(first.values()), [twice]


def _folder_by_folder(paths: Iterable[Path]) -> list[Path]:
    by_folder: dict[Path, list[Path]] = {}
    for path in paths:
        by_folder.setdefault(path.parent, []).append(path)
    folders = sorted(by_folder, key=lambda folder: [natural_key(Path(part))[0] for part in folder.parts])
    return [path for folder in folders for path in natural_order(by_folder[folder])]


def _matrices(here: Sequence[ListedImage], where: Path, K: Float[np.ndarray, "3 3"] | None, upright: bool) -> Matrices:
    cameras = [entry.camera for entry in here]
    notes = lens_findings(cameras, where)
    found = Matrices(K) if K is not None else matrices_of(cameras, [entry.path for entry in here], where, upright)
    return replace(found, findings=(*notes, *found.findings))


def _said(name: str, listed: ImageList, images: Files, posed: Sequence[int]) -> list[Finding]:
    found = []
    if not posed and len(images):
        detail = f"none of the {len(images)} images of {name} has a pose in {listed.file}"
        found.append(Finding(Problem.MISSING_POSES, name, Severity.ERROR, detail, "write it again, with poses"))
    folders = list(dict.fromkeys(path.parent for path in images.paths))
    if len(folders) > 1:
        names = ", ".join(folder.name for folder in folders[:3]) + (", ..." if len(folders) > 3 else "")
        detail = f"the images of {name} lie in {len(folders)} folders ({names})"
        cure = "read one folder after the other: if they are cameras of a rig, make one sequence of each"
        found.append(Finding(Problem.UNSORTED, name, Severity.NOTE, detail, cure))
    return found


def find_listed(roots: Sequence[Path], name: str) -> Path:
    """The file that a list calls `name`, relative to one of the roots; the first root's, if there is none.

    Backslashes separate folders where no file is called so; the suffix of an image may be left out, or be in capitals. A name
    from another machine (absolute) or folder (`../`) that leads nowhere is looked for by its end below the roots.
    """
    text = name.replace("\\", "/")
    for root in roots:
        smaller = (text.removeprefix("./").removeprefix("images/"),) if root.name in SMALLER else ()
        for candidate in dict.fromkeys((name, text, *smaller)):
            if (found := _existing(root / candidate, root.name in SMALLER)) is not None:
                return _tidy(found, roots[0])
    parts = PurePosixPath(text).parts
    if text[:1] == "/" or text[1:2] == ":" or ".." in parts:
        for start in range(1, len(parts)):
            tail = PurePosixPath(*parts[start:])
            if ".." in tail.parts:
                continue
            for root in roots:
                if (found := _existing(root / tail, False)) is not None:
                    return found
    return roots[0] / text


def _tidy(path: Path, root: Path) -> Path:
    """The same file as a path below the root, if it lies there: a file has one path, however it is called."""
    home, place = (Path(os.path.normpath(item.absolute())) for item in (root, path))
    below = root / place.relative_to(home) if place.is_relative_to(home) else path
    return below if is_file(below) else path  # a link to a folder may make `a/../b` another file


def _existing(path: Path, any_suffix: bool) -> Path | None:
    """The file, or the image of that name with a suffix, or with its suffix in capitals or small letters."""
    known = path.suffix.lower() in IMAGE_SUFFIXES
    if not known:
        candidates = [path, *(path.with_name(path.name + end) for end in _SUFFIXES)] if path.name else []
    else:
        swapped = _SUFFIXES if any_suffix else (path.suffix.lower(), path.suffix.upper())
        candidates = [path, *(path.with_suffix(end) for end in swapped)]
    return next((candidate for candidate in candidates if is_file(candidate)), None)


_SUFFIXES = (*IMAGE_SUFFIXES, *(suffix.upper() for suffix in IMAGE_SUFFIXES))


def is_file(path: Path) -> bool:
    """Whether there is such a file; names that no file can have are of none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def outside(folder: Path, listed_by: Path, paths: Iterable[Path]) -> list[Finding]:
    """A finding for files that a list takes from elsewhere than the folder of the sequence."""
    home = Path(os.path.normpath(folder.absolute()))
    away = [path for path in paths if not Path(os.path.normpath(path.absolute())).is_relative_to(home)]
    if not away:
        return []
    detail = f"{len(away)} files that {listed_by} lists lie outside of {folder}, such as {away[0]}"
    return [Finding(Problem.MISSING_FILE, str(listed_by), Severity.NOTE, detail, "they are read there")]


def pictures(folder: Path, below: bool = False) -> list[Path]:
    """The images of a folder in natural order, with those of its folders if `below`; hidden ones are passed over."""
    if not folder.is_dir():
        return []
    found = (
        path
        for path in (folder.rglob("*") if below else folder.iterdir())
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    return _folder_by_folder(found)


def beside(listed: Iterable[Path], used: Iterable[Path], folders: Iterable[Path]) -> tuple[Path, ...]:
    """Images in some folders that are not listed. Those called like another with a suffix (`r_0_depth.png`) are left out.

    Args:
        listed: images.
        used: depth maps and masks.
        folders: to look into.
    """
    known = {*listed, *used}
    found = []
    for folder in dict.fromkeys(folders):
        here = pictures(folder)
        stems = {path.stem for path in here} | {path.stem for path in known if path.parent == folder}
        found += [path for path in here if path not in known and not _derived(path.stem, stems)]
    return tuple(found)


def _derived(stem: str, stems: set[str]) -> bool:
    cuts = (match.start() for match in re.finditer(r"[_.-](?=[^_.-]*[A-Za-z])", stem))
    return any(stem[:cut] in stems for cut in cuts)
