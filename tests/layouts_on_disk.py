"""One small world with exact depth, written to disk in the layout of every benchmark: what the readers are tested on.

The world is the inside of a box; a camera walks through it. Its depth has a closed form, its images are of one colour each.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from ttt3r.data import Clip

FRAMES, WIDTH, HEIGHT = 12, 64, 48  # more than ten, so that 10 stands before 2 as text
BOX = np.array([2.0, 1.5, 3.0])
K = np.array([[55.0, 0, 31.5], [0, 57.0, 23.5], [0, 0, 1]])


@dataclass(frozen=True)
class World:
    """depth (frame, height, width) in metres; camera_to_world (frame, 4, 4), OpenCV axes; K in pixels."""

    depth: np.ndarray
    camera_to_world: np.ndarray
    K: np.ndarray


def rotation(axis: int, angle: float) -> np.ndarray:
    matrix, (i, j) = np.eye(3), [k for k in range(3) if k != axis]
    matrix[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
    return matrix


def make_world(matrix: np.ndarray = K, size: tuple[int, int] = (WIDTH, HEIGHT), frames: int = FRAMES) -> World:
    poses = np.tile(np.eye(4), (frames, 1, 1))
    for i in range(frames):
        poses[i, :3, :3] = rotation(1, 0.3 + 0.05 * i) @ rotation(0, 0.02 * i) @ rotation(2, 0.1)
        poses[i, :3, 3] = 0.08 * i - 0.5, 0.02 * i - 0.2, 0.05 * i
    v, u = np.mgrid[: size[1], : size[0]]
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(matrix).T
    depth = []
    for pose in poses:
        direction = rays @ pose[:3, :3].T
        direction[direction == 0] = 1e-12
        walls = (np.sign(direction) * BOX - pose[:3, 3]) / direction  # along each axis, how far to the wall ahead
        depth.append(walls.min(axis=-1))  # the ray's z is 1, so that this is depth along the optical axis
    return World(np.stack(depth), poses, matrix)


def image(path: Path, number: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (10 * number, 255 - 10 * number, 77)).save(path)


def png(path: Path, depth: np.ndarray, per_metre: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.round(depth * per_metre).astype(np.uint16)).save(path)


def quaternion(pose: np.ndarray) -> str:
    """tx ty tz qx qy qz qw."""
    from scipy.spatial.transform import Rotation

    return " ".join(f"{x:.9f}" for x in [*pose[:3, 3], *Rotation.from_matrix(pose[:3, :3]).as_quat()])


OPENGL = np.diag([1.0, -1, -1, 1])


def scannet(root: Path) -> None:
    world, scan = make_world(), root / "scans_test" / "scene0707_00"
    for i, (depth, pose) in enumerate(zip(world.depth, world.camera_to_world, strict=True)):
        image(scan / f"color/{i}.jpg", i)
        png(scan / f"depth/{i}.png", depth, 1000)
        (scan / "pose").mkdir(exist_ok=True)
        np.savetxt(scan / f"pose/{i}.txt", pose)
    (scan / "intrinsic").mkdir()
    for kind in ("color", "depth"):
        whole = np.eye(4)
        whole[:3, :3] = world.K
        np.savetxt(scan / f"intrinsic/intrinsic_{kind}.txt", whole)


def tum(root: Path, name: str = "rgbd_dataset_freiburg9_box") -> None:
    world, folder = make_world(), root / name
    lists = {"rgb": ["# color images"], "depth": [], "groundtruth": []}
    for i, (depth, pose) in enumerate(zip(world.depth, world.camera_to_world, strict=True)):
        time = 1000 + i / 10
        image(folder / f"rgb/{time:.6f}.png", i)
        png(folder / f"depth/{time + 0.004:.6f}.png", depth, 5000)
        lists["rgb"].append(f"{time:.6f} rgb/{time:.6f}.png")
        lists["depth"].append(f"{time + 0.004:.6f} depth/{time + 0.004:.6f}.png")
        lists["groundtruth"].append(f"{time - 0.003:.6f} {quaternion(pose)}")
    for kind, lines in lists.items():
        (folder / f"{kind}.txt").write_text("\n".join(lines) + "\n")
    np.savetxt(folder / "camera-intrinsics.txt", world.K)


def bonn(root: Path) -> None:
    tum(root / "rgbd_bonn_dataset", "rgbd_bonn_box")


def seven_scenes(root: Path) -> None:
    world = make_world()
    for i, (depth, pose) in enumerate(zip(world.depth, world.camera_to_world, strict=True)):
        stem = root / "chess" / "seq-03" / f"frame-{i:06d}"
        image(Path(f"{stem}.color.png"), i)
        png(Path(f"{stem}.depth.png"), depth, 1000)
        np.savetxt(f"{stem}.pose.txt", pose)
    np.savetxt(root / "chess" / "seq-03" / "camera-intrinsics.txt", world.K)


def sintel(root: Path) -> None:
    world, training = make_world(), root / "training"
    for name in ("camdata_left", "depth"):
        (training / name / "alley_2").mkdir(parents=True)
    for i, (depth, pose) in enumerate(zip(world.depth, world.camera_to_world, strict=True)):
        image(training / f"final/alley_2/frame_{i + 1:04d}.png", i)
        tag = np.float32(202021.25).tobytes()
        camera = np.concatenate([world.K.ravel(), np.linalg.inv(pose)[:3].ravel()])
        (training / f"camdata_left/alley_2/frame_{i + 1:04d}.cam").write_bytes(tag + camera.astype("<f8").tobytes())
        size = np.array([WIDTH, HEIGHT], "<i4").tobytes()
        data = tag + size + depth.astype("<f4").tobytes()
        (training / f"depth/alley_2/frame_{i + 1:04d}.dpt").write_bytes(data)


def kitti_depth(root: Path) -> None:
    world, drive = make_world(), "2011_09_26_drive_0002_sync"
    for i, depth in enumerate(world.depth):
        image(root / f"2011_09_26/{drive}/image_02/data/{i:010d}.png", i)
        if i >= 5:
            png(root / f"val/{drive}/proj_depth/groundtruth/image_02/{i:010d}.png", depth, 256)
    rows = " ".join(map(str, np.concatenate([world.K, [[44.0], [0.2], [0.003]]], axis=1).ravel()))
    (root / "2011_09_26/calib_cam_to_cam.txt").write_text(f"calib_time: 09-Jan-2012\nP_rect_02: {rows}\n")


def kitti_odometry(root: Path) -> None:
    world = make_world()
    for i in range(FRAMES):
        image(root / f"sequences/06/image_2/{i:06d}.png", i)
        image(root / f"sequences/06/image_0/{i:06d}.png", 0)
    (root / "poses").mkdir()
    np.savetxt(root / "poses/06.txt", world.camera_to_world[:, :3].reshape(FRAMES, 12))
    np.savetxt(root / "sequences/06/times.txt", 0.1036 * np.arange(FRAMES))
    rows = " ".join(map(str, np.concatenate([world.K, [[44.0], [0.2], [0.003]]], axis=1).ravel()))
    (root / "sequences/06/calib.txt").write_text(f"P0: {' '.join(['0'] * 12)}\nP2: {rows}\n")


NRGBD_K = np.array([[400.0, 0, 320], [0, 400, 240], [0, 0, 1]])  # the principal point is that of the benchmark
NRGBD_SIZE = (640, 480)


def nrgbd(root: Path) -> None:
    world, scene = make_world(NRGBD_K, NRGBD_SIZE), root / "breakfast_room"
    for i, depth in enumerate(world.depth):
        image(scene / f"images/img{i}.png", i, NRGBD_SIZE)
        png(scene / f"depth/depth{i}.png", depth, 1000)
    np.savetxt(scene / "poses.txt", (world.camera_to_world @ OPENGL).reshape(-1, 4))
    (scene / "focal.txt").write_text("400\n")


def replica(root: Path) -> None:
    world, room = make_world(), root / "room0"
    for i, depth in enumerate(world.depth):
        image(room / f"results/frame{i:06d}.jpg", i)
        png(room / f"results/depth{i:06d}.png", depth, 6553.5)
    np.savetxt(room / "traj.txt", world.camera_to_world.reshape(FRAMES, 16))
    camera = {"w": WIDTH, "h": HEIGHT, "fx": K[0, 0], "fy": K[1, 1], "cx": K[0, 2], "cy": K[1, 2], "scale": 6553.5}
    (root / "cam_params.json").write_text(json.dumps({"camera": camera}))


def nyu(root: Path) -> None:
    world, scene = make_world(), root / "kitchen_0028b"
    for i, depth in enumerate(world.depth):
        image(scene / f"rgb_{i:05d}.jpg", i)
        png(scene / f"sync_depth_{i:05d}.png", depth, 1000)
    np.savetxt(scene / "camera-intrinsics.txt", world.K)


MOUNT = np.eye(
    4
)  # of the camera on its body: takes points from camera (x right, y down, z ahead) to body (x ahead, z up)
MOUNT[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
MOUNT[:3, 3] = 0.07, 0.23, -0.66


def bodies(world: World) -> np.ndarray:
    """body to world, of a body that carries the camera."""
    return world.camera_to_world @ np.linalg.inv(MOUNT)


def eth3d(root: Path) -> None:
    tum(root, "cables_1")
    (root / "cables_1/camera-intrinsics.txt").unlink()
    (root / "cables_1/calibration.txt").write_text(f"{K[0, 0]} {K[1, 1]} {K[0, 2]} {K[1, 2]}\n")


NANOSECONDS = 1403636579763555584


def euroc(root: Path) -> None:
    world, mav = make_world(), root / "MH_01_easy/mav0"
    listed, truth = (
        ["#timestamp [ns],filename"],
        ["#timestamp, p_RS_R_x [m], p_RS_R_y [m], p_RS_R_z [m], q_RS_w [], ..."],
    )
    for i, pose in enumerate(bodies(world)):
        time = NANOSECONDS + i * 50_000_000
        image(mav / f"cam0/data/{time}.png", i)
        image(mav / f"cam1/data/{time}.png", 0)
        listed.append(f"{time},{time}.png")
        tx, ty, tz, qx, qy, qz, qw = quaternion(pose).split()
        truth.append(f"{time + 2_000_000},{tx},{ty},{tz},{qw},{qx},{qy},{qz},0,0,0,0,0,0,0,0,0")
    (mav / "cam0/data.csv").write_text("\n".join(listed) + "\n")
    (mav / "state_groundtruth_estimate0").mkdir()
    (mav / "state_groundtruth_estimate0/data.csv").write_text("\n".join(truth) + "\n")
    (mav / "cam0/sensor.yaml").write_text(
        f"""# General sensor definitions.
sensor_type: camera
T_BS:
  cols: 4
  rows: 4
  data: {MOUNT.ravel().tolist()}
rate_hz: 20
resolution: [{WIDTH}, {HEIGHT}]
camera_model: pinhole
intrinsics: [{K[0, 0]}, {K[1, 1]}, {K[0, 2]}, {K[1, 2]}] #fu, fv, cu, cv
distortion_model: radial-tangential
distortion_coefficients: [-0.28340811, 0.07395907, 0.00019359, 1.76187114e-05]
"""
    )


def spires_rectified(root: Path) -> None:
    world, folder = make_world(), root / "keble-college-02"
    for i, depth in enumerate(world.depth):
        image(folder / f"images/{i:06d}.png", i)
        (folder / "depth").mkdir(exist_ok=True)
        np.save(folder / f"depth/{i:06d}.npy", depth.astype(np.float32))
    np.savetxt(folder / "poses_c2w.txt", world.camera_to_world.reshape(FRAMES, 16))
    numbers = (K[0, 0], K[1, 1], K[0, 2], K[1, 2], WIDTH, HEIGHT)
    (folder / "intrinsics.txt").write_text(" ".join(map(str, numbers)) + "\n")


def spires(root: Path) -> None:
    folder = root / "sequences/2024-03-12-keble-college-02"
    lidar_to_base = np.diag([-1.0, -1, 1, 1])
    lidar_to_base[2, 3] = 0.124
    rows = []
    for i, pose in enumerate(bodies(make_world())):
        seconds, nanoseconds = divmod(i * 50_000_000, 10**9)
        image(folder / f"raw/images/cam0/{1710256011 + seconds}.{nanoseconds:09d}.jpg", i)
        image(folder / f"raw/images/cam1/{1710256011 + seconds}.{nanoseconds:09d}.jpg", 0)
        rows.append(f"{1710256011 + 0.05 * i + 0.01:.6f} {quaternion(pose)}")
    (folder / "processed/trajectory").mkdir(parents=True)
    (folder / "processed/trajectory/gt-tum.txt").write_text(
        "# timestamp tx ty tz qx qy qz qw\n" + "\n".join(rows) + "\n"
    )
    (root / "calibration").mkdir()
    lidar_to_camera = np.linalg.inv(MOUNT) @ lidar_to_base
    (root / "calibration/cam-lidar-imu.yaml").write_text(f"cam0:\n  T_cam_lidar: {lidar_to_camera.tolist()}\n")
    (root / "calibration/cam0.yaml").write_text(
        f"image_width: {WIDTH}\nimage_height: {HEIGHT}\ncamera_matrix:\n  rows: 3\n  cols: 3\n  data: {K.ravel().tolist()}\n"
        "distortion_model: plumb_bob\ndistortion_coefficients:\n  rows: 1\n  cols: 4\n  data: [0.0, 0.0, 0.0, 0.0]\n"
    )


def vbr(root: Path) -> None:
    folder, download = root / "spagna/spagna_train0_kitti", root / "spagna/spagna_train0"
    times, rows = [], ["#timestamp tx ty tz qx qy qz qw"]
    for i, pose in enumerate(bodies(make_world())):
        image(folder / f"camera_left/data/{i:010d}.png", i)
        image(folder / f"camera_right/data/{i:010d}.png", 0)
        times.append(f"1970-01-01T00:06:{6 + i // 10:02d}.{i % 10}00000000")
        rows.append(f"{366 + i / 10 + 0.03:.6f} {quaternion(pose)}")
    (folder / "camera_left/timestamps.txt").write_text("\n".join(times) + "\n")
    download.mkdir()
    (download / "spagna_train0_gt.txt").write_text("\n".join(rows) + "\n")
    (download / "vbr_calib.yaml").write_text(
        f"cam_l:\n  intrinsics: [{K[0, 0]}, {K[1, 1]}, {K[0, 2]}, {K[1, 2]}]\n  resolution: [{WIDTH}, {HEIGHT}]\n"
        f"  distortion_coeffs: [-0.1, 0.05, 0.0, 0.0]\n  T_b: {MOUNT.tolist()}\nlidar:\n  T_b: {np.eye(4).tolist()}\n"
    )


def vbr_aligned(root: Path) -> None:
    world, folder = make_world(), root / "vbr/spagna_train0_processed_aligned"
    for i in range(FRAMES):
        image(folder / f"rgb/{i}.png", i)
    rows = [f"{i} {quaternion(pose)}" for i, pose in enumerate(world.camera_to_world)]
    (folder / "camera_pose.txt").write_text("\n".join(rows) + "\n")
    np.savetxt(folder / "intrinsics.txt", K)


def nerfstudio(root: Path) -> None:
    world, folder = make_world(), root / "cameras"
    turn, shift, scale = rotation(2, 0.7) @ rotation(0, -0.4), np.array([0.4, -0.2, 0.9]), 0.25
    entries = []
    for i, pose in enumerate(world.camera_to_world @ OPENGL):
        image(folder / f"images/{i}.png", i)
        moved = np.concatenate([turn @ pose[:3, :3], scale * (turn @ pose[:3, 3:] + shift[:, None])], axis=1)
        entries.append({"file_path": f"/somewhere/else/images/{i}.png", "transform": moved.tolist()})
    (folder / "transforms_train.json").write_text(json.dumps(entries[1:]))
    (folder / "transforms_eval.json").write_text(json.dumps(entries[:1]))
    undo = {"transform": np.concatenate([turn, shift[:, None]], axis=1).tolist(), "scale": scale}
    (folder / "dataparser_transforms.json").write_text(json.dumps(undo))
    np.savetxt(folder / "camera-intrinsics.txt", world.K)


def transforms(root: Path) -> None:
    world, folder = make_world(), root / "box"
    frames = []
    for i, (depth, pose) in enumerate(zip(world.depth, world.camera_to_world, strict=True)):
        image(folder / f"images/{i}.png", i)
        png(folder / f"depth/{i}.png", depth, 1000)
        frames.append({"file_path": f"images/{i}.png", "transform_matrix": (pose @ OPENGL).tolist()})
    camera = {"fl_x": K[0, 0], "fl_y": K[1, 1], "cx": K[0, 2] + 0.5, "cy": K[1, 2] + 0.5, "w": WIDTH, "h": HEIGHT}
    (folder / "transforms.json").write_text(json.dumps({**camera, "frames": frames[::-1]}))


def colmap(root: Path) -> None:
    world, folder = make_world(), root / "box"
    (folder / "sparse/0").mkdir(parents=True)
    lines = ["# Image list with two lines of data per image:"]
    for i, (depth, pose) in enumerate(zip(world.depth, world.camera_to_world, strict=True)):
        image(folder / f"images/{i}.png", i)
        png(folder / f"depth/{i}.png", depth, 1000)
        *shift, x, y, z, w = quaternion(np.linalg.inv(pose)).split()
        lines += [f"{i + 1} {w} {x} {y} {z} {' '.join(shift)} 1 {i}.png", "" if i % 2 else "10.5 3.5 -1"]
    (folder / "sparse/0/images.txt").write_text("\n".join(lines) + "\n")
    camera = f"1 PINHOLE {WIDTH} {HEIGHT} {K[0, 0]} {K[1, 1]} {K[0, 2] + 0.5} {K[1, 2] + 0.5}\n"
    (folder / "sparse/0/cameras.txt").write_text("# Camera list\n" + camera)


def trajectory(root: Path) -> None:
    world, folder = make_world(), root / "box"
    rows = []
    for i, (depth, pose) in enumerate(zip(world.depth, world.camera_to_world, strict=True)):
        image(folder / f"{i}.png", i)
        png(folder / f"depth/{i}.png", depth, 1000)
        rows.append(f"{i} {quaternion(pose)}")
    (folder / "trajectory.txt").write_text("\n".join(rows) + "\n")
    np.savetxt(folder / "camera-intrinsics.txt", world.K)


def matrices(root: Path) -> None:
    trajectory(root)
    (root / "box/trajectory.txt").unlink()
    np.savetxt(root / "box/poses.txt", make_world().camera_to_world.reshape(FRAMES, 16))


@dataclass(frozen=True)
class Written:
    """A layout, and what a reader must find in it."""

    dataset: str
    write: Callable[[Path], None]
    sequence: str
    scene: str
    folder: str
    images: str  # name of frame i
    first: int = 0  # number of the first image
    step: float = 1.0  # seconds between frames
    start: float = 0.0
    poses: bool = True
    depth: bool = True
    skipped: int = 0  # frames at the start without truth
    K: np.ndarray = field(default_factory=lambda: K)
    size: tuple[int, int] = (WIDTH, HEIGHT)

    def world(self) -> World:
        return make_world(self.K, self.size)

    def names(self) -> list[str]:
        return [self.images.format(i + self.first) for i in range(FRAMES)]


LAYOUTS = {
    "scannet": Written(
        "scannet", scannet, "scene0707_00", "scene0707", "scans_test/scene0707_00", "{}.jpg", step=1 / 30
    ),
    "tum": Written(
        "tum",
        tum,
        "rgbd_dataset_freiburg9_box",
        "rgbd_dataset_freiburg9_box",
        "rgbd_dataset_freiburg9_box",
        "",
        step=0.1,
        start=1000,
    ),
    "bonn": Written(
        "bonn", bonn, "rgbd_bonn_box", "rgbd_bonn_box", "rgbd_bonn_dataset/rgbd_bonn_box", "", step=0.1, start=1000
    ),
    "7scenes": Written(
        "7scenes", seven_scenes, "chess/seq-03", "chess", "chess/seq-03", "frame-{:06d}.color.png", step=1 / 30
    ),
    "sintel": Written(
        "sintel",
        sintel,
        "alley_2",
        "alley_2",
        "training/final/alley_2",
        "frame_{:04d}.png",
        first=1,
        step=1 / 24,
        start=1 / 24,
    ),
    "kitti-depth": Written(
        "kitti-depth",
        kitti_depth,
        "2011_09_26_drive_0002_sync_02",
        "2011_09_26_drive_0002_sync_02",
        "val/2011_09_26_drive_0002_sync",
        "{:010d}.png",
        step=0.1,
        poses=False,
        skipped=5,
    ),
    "kitti-odometry": Written(
        "kitti-odometry", kitti_odometry, "06", "06", "sequences/06", "{:06d}.png", step=0.1036, depth=False
    ),
    "replica": Written("replica", replica, "room0", "room0", "room0", "frame{:06d}.jpg", step=1 / 30),
    "nrgbd": Written(
        "nrgbd",
        nrgbd,
        "breakfast_room",
        "breakfast_room",
        "breakfast_room",
        "img{}.png",
        step=1 / 30,
        K=NRGBD_K,
        size=NRGBD_SIZE,
    ),
    "nyu": Written(
        "nyu", nyu, "kitchen_0028b", "kitchen_0028", "kitchen_0028b", "rgb_{:05d}.jpg", step=1 / 30, poses=False
    ),
    "eth3d-slam": Written("eth3d-slam", eth3d, "cables_1", "cables", "cables_1", "", step=0.1, start=1000),
    "euroc": Written(
        "euroc", euroc, "MH_01_easy", "MH", "MH_01_easy", "", step=0.05, start=NANOSECONDS / 1e9, depth=False
    ),
    "oxford-spires rectified": Written(
        "oxford-spires",
        spires_rectified,
        "keble-college-02",
        "keble-college",
        "keble-college-02",
        "{:06d}.png",
        step=0.05,
    ),
    "oxford-spires": Written(
        "oxford-spires",
        spires,
        "keble-college-02",
        "keble-college",
        "sequences/2024-03-12-keble-college-02",
        "",
        step=0.05,
        start=1710256011,
        depth=False,
    ),
    "vbr": Written(
        "vbr",
        vbr,
        "spagna_train0",
        "spagna",
        "spagna/spagna_train0_kitti",
        "{:010d}.png",
        step=0.1,
        start=366,
        depth=False,
    ),
    "vbr aligned": Written(
        "vbr",
        vbr_aligned,
        "spagna_train0",
        "spagna",
        "vbr/spagna_train0_processed_aligned",
        "{}.png",
        step=0.1,
        depth=False,
    ),
    "nerfstudio": Written("nerfstudio", nerfstudio, "cameras", "cameras", "cameras", "{}.png", depth=False),
    "transforms.json": Written("posed", transforms, "box", "box", "box", "{}.png"),
    "colmap": Written("posed", colmap, "box", "box", "box", "{}.png"),
    "trajectory.txt": Written("posed", trajectory, "box", "box", "box", "{}.png"),
    "poses.txt": Written("posed", matrices, "box", "box", "box", "{}.png"),
}


def cameras(clip: Clip) -> np.ndarray:
    assert clip.camera_to_world is not None
    return clip.camera_to_world


def intrinsics(clip: Clip) -> np.ndarray:
    assert clip.intrinsics is not None
    return clip.intrinsics


def depth_map(clip: Clip, index: int) -> np.ndarray:
    depth = clip.depth(index)
    assert depth is not None
    return depth
