import numpy as np
import pytest
import torch

from ttt3r import geometry
from ttt3r.export.colmap import ColmapView, write_colmap
from ttt3r.export.intrinsics import IntrinsicsWriter, Pinhole, read_intrinsics
from ttt3r.export.points import PointCloud, PointSelection


def _views():
    poses = geometry.pose_encoding_to_camera(torch.randn(4, 7, dtype=torch.float64)).numpy()
    cameras = [Pinhole(64, 48, (50.0, 50.0), (32.0, 24.0))] * 2 + [Pinhole(64, 48, (51.5, 52.5), (31.0, 25.0))] * 2
    return [
        ColmapView(f"frame_{i}.jpg", camera, pose) for i, (camera, pose) in enumerate(zip(cameras, poses, strict=True))
    ]


def _cloud():
    image = 2 * torch.rand(3, 6, 8) - 1
    return PointCloud.empty(PointSelection(min_confidence=0.0)).add(0, torch.randn(6, 8, 3), None, image)


def test_pycolmap_reads_what_we_write(tmp_path):
    pycolmap = pytest.importorskip("pycolmap")
    views, cloud = _views(), _cloud()
    write_colmap(tmp_path, views, cloud, max_points=20)
    model = pycolmap.Reconstruction(str(tmp_path))
    assert len(model.cameras) == 2
    assert len(model.points3D) == 20
    images = {image.name: image for image in model.images.values()}
    point = np.array([0.1, 0.2, 3.0])
    for view in views:
        image = images[view.name]
        assert (image.camera.width, image.camera.height) == (64, 48)
        world = view.camera_to_world[:3, :3] @ point + view.camera_to_world[:3, 3]
        moved = image.cam_from_world() * world
        np.testing.assert_allclose(moved, point, atol=1e-9)
        projected = view.camera.matrix @ point
        # COLMAP's first pixel has its centre at (0.5, 0.5), ours at (0, 0)
        np.testing.assert_allclose(image.camera.img_from_cam(moved), projected[:2] / projected[2] + 0.5, atol=1e-6)
    first = model.points3D[1]
    chosen = cloud.sample(20)
    np.testing.assert_allclose(first.xyz, chosen.xyz[0], rtol=1e-6)
    np.testing.assert_array_equal(first.color, chosen.rgb[0])


def test_a_name_with_a_space_is_refused(tmp_path):
    view = ColmapView("a b.jpg", Pinhole(4, 4, (1.0, 1.0), (2.0, 2.0)), np.eye(4))
    with pytest.raises(ValueError, match="without spaces"):
        write_colmap(tmp_path, [view], PointCloud.empty())


def test_intrinsics_there_and_back(tmp_path):
    writer = IntrinsicsWriter(tmp_path / "k.csv")
    cameras = [Pinhole(512, 384, (401.25, 402.5), (256.0, 192.0)), Pinhole(512, 288, (0.1, 0.1), (256.0, 144.0))]
    for number, camera in enumerate(cameras):
        writer.write(number, 'a "quoted", name\nin two lines', camera)
    lines = (tmp_path / "k.csv").read_text().splitlines()
    assert len(lines) == 3
    assert lines[0] == "frame,name,width,height,fx,fy,cx,cy"
    assert read_intrinsics(tmp_path / "k.csv") == dict(enumerate(cameras))
