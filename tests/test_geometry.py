import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from ttt3r import geometry as g


def _recorded(path):
    return {key: torch.from_numpy(value) for key, value in np.load(path).items()}


def _random_rotation(*shape, dtype=torch.float64):
    return g.quaternion_to_matrix(torch.randn(*shape, 4, dtype=dtype))


def test_quaternion_turns_about_its_axis():
    half = math.radians(90) / 2
    quaternion = 3.0 * torch.tensor([math.cos(half), 0, 0, math.sin(half)])
    expected = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    assert_close(g.quaternion_to_matrix(quaternion), expected)


def test_rotation_of_a_random_quaternion_is_the_matrix_exponential_of_its_axis():
    axis = torch.randn(50, 3, dtype=torch.float64)
    angle = axis.norm(dim=-1, keepdim=True)
    quaternion = torch.cat([torch.cos(angle / 2), axis / angle * torch.sin(angle / 2)], dim=-1)
    cross = torch.zeros(50, 3, 3, dtype=torch.float64)
    cross[:, 2, 1], cross[:, 0, 2], cross[:, 1, 0] = axis.unbind(-1)
    assert_close(g.quaternion_to_matrix(quaternion), torch.linalg.matrix_exp(cross - cross.mT))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_matrix_to_quaternion_inverts_at_any_angle(dtype):
    quaternion = torch.cat([torch.randn(200, 4), torch.eye(4), torch.eye(4)[1:] + torch.eye(4)[[3, 1, 2]]])
    quaternion = torch.nn.functional.normalize(quaternion.to(dtype), dim=-1)
    found = g.matrix_to_quaternion(g.quaternion_to_matrix(quaternion))
    assert (found[:, 0] >= 0).all()
    assert_close((found * quaternion).sum(-1).abs(), torch.ones(207, dtype=dtype))
    assert_close(g.quaternion_to_matrix(found), g.quaternion_to_matrix(quaternion))


def test_quaternion_gradient_is_finite_at_the_identity_and_at_half_a_turn():
    matrix = torch.stack([torch.eye(3), torch.diag(torch.tensor([1.0, -1, -1]))]).requires_grad_()
    g.matrix_to_quaternion(matrix).sum().backward()
    assert matrix.grad is not None
    assert matrix.grad.isfinite().all()


def test_invert_rigid_is_the_inverse():
    motion = g.rigid(_random_rotation(2, 5), torch.randn(2, 5, 3, dtype=torch.float64))
    assert_close(g.invert_rigid(motion), torch.linalg.inv(motion))


def test_transform_points_is_the_homogeneous_product():
    motion = g.rigid(_random_rotation(2), torch.randn(2, 3, dtype=torch.float64))
    points = torch.randn(2, 4, 5, 3, dtype=torch.float64)
    homogeneous = torch.cat([points, torch.ones(2, 4, 5, 1, dtype=torch.float64)], dim=-1)
    expected = torch.einsum("bij,bhwj->bhwi", motion, homogeneous)[..., :3]
    assert_close(g.transform_points(motion, points), expected)
    assert_close(g.transform_points(motion[0], points[0]), expected[0])


def test_pose_encoding_there_and_back():
    encoding = torch.randn(3, 4, 7, dtype=torch.float64)
    camera = g.pose_encoding_to_camera(encoding)
    back = g.camera_to_pose_encoding(camera)
    assert_close(back[..., :3], encoding[..., :3])
    assert_close(g.pose_encoding_to_camera(back), camera)


@pytest.mark.shared
def test_pose_encoding_equals_the_recorded_one(shared):
    recorded = _recorded(shared / "golden/helpers/pose_encoding.npz")
    assert_close(g.pose_encoding_to_camera(recorded["encoding"]), recorded["c2w"], rtol=0, atol=1e-6)
    back, expected = g.camera_to_pose_encoding(recorded["c2w"]), recorded["encoding_back"]
    assert_close(back[:, :3], expected[:, :3], rtol=0, atol=0)
    assert_close((back[:, 3:] * expected[:, 3:]).sum(-1).abs(), torch.ones(len(back)), rtol=0, atol=1e-6)
    away_from_half_a_turn = expected[:, 3].abs() > 1e-3
    assert_close(back[away_from_half_a_turn], expected[away_from_half_a_turn], rtol=0, atol=1e-6)
    other = _recorded(shared / "golden_eval/pose/pose_encoding.npz")
    assert_close(g.pose_encoding_to_camera(other["encoding"]), other["c2w"], rtol=0, atol=1e-6)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["clean", "noisy", "wide", "outliers"])
def test_focal_equals_the_recorded_one(shared, name):
    recorded = _recorded(shared / "golden/helpers/focal.npz")
    points, center = recorded[f"{name}_pts"], recorded[f"{name}_pp"]
    assert_close(g.estimate_focal(points, center), recorded[f"{name}_weiszfeld"], rtol=1e-5, atol=0)
    assert_close(g.estimate_focal(points.double(), center), recorded[f"{name}_weiszfeld_f64"], rtol=1e-9, atol=0)
    clipped = g.estimate_focal(points, center, bounds=(0.5, 1.2))
    assert_close(clipped, recorded[f"{name}_weiszfeld_clip"], rtol=1e-5, atol=0)
    assert_close(g.estimate_focal_median(points, center), recorded[f"{name}_median"], rtol=1e-6, atol=0)
    median = g.estimate_focal_median(points.double(), center)
    assert_close(median, recorded[f"{name}_median_f64"], rtol=1e-9, atol=0)


@pytest.mark.shared
def test_focal_equals_the_recorded_evaluation(shared):
    recorded = _recorded(shared / "golden_eval/depth/focal_weiszfeld.npz")
    found = g.estimate_focal(recorded["pts3d_in_self_view"], recorded["pp"])
    assert_close(found, recorded["focal"], rtol=1e-5, atol=0)


@pytest.mark.parametrize("estimate", [g.estimate_focal, g.estimate_focal_median])
def test_focal_of_an_exact_pinhole(estimate):
    focal = torch.tensor([30.0, 55.0], dtype=torch.float64)
    center = torch.tensor([[15.25, 11.75], [9.5, 12.125]], dtype=torch.float64)
    points = g.unproject(1 + torch.rand(2, 24, 32, dtype=torch.float64), g.intrinsics_matrix(focal, center))
    assert_close(estimate(points, center), focal)


def test_focal_takes_the_middle_of_the_image_by_default():
    focal = torch.tensor([30.0], dtype=torch.float64)
    points = g.unproject(1 + torch.rand(1, 25, 33, dtype=torch.float64), g.intrinsics_matrix(focal, (16.0, 12.0)))
    assert_close(g.estimate_focal(points), focal)


def test_unproject_then_project_gives_the_pixels():
    intrinsics = g.intrinsics_matrix(torch.tensor(20.0), (3.0, 2.0))
    projected = g.unproject(1 + torch.rand(5, 7), intrinsics) @ intrinsics.T
    assert_close(projected[..., :2] / projected[..., 2:], g.pixel_grid(5, 7, intrinsics))


def test_ray_maps_pixel_by_pixel():
    camera = g.rigid(_random_rotation(2), torch.randn(2, 3, dtype=torch.float64))
    intrinsics = g.intrinsics_matrix(torch.tensor([9.0, 12.0], dtype=torch.float64), (3.0, 2.0))
    official = g.ray_map_official(camera, intrinsics, (4, 6))
    direction = g.ray_map_direction(camera, intrinsics, (4, 6))
    assert official.shape == direction.shape == (2, 4, 6, 6)
    for b, row, column in [(0, 0, 0), (1, 3, 5), (1, 2, 0)]:
        turn, origin, back = camera[b, :3, :3], camera[b, :3, 3], torch.linalg.inv(intrinsics[b])
        ray = turn @ back @ torch.tensor([column, row, 1.0], dtype=torch.float64) + origin
        assert_close(official[b, row, column], torch.cat([origin, ray / ray.norm()]))
        ray = turn @ back @ torch.tensor([column + 0.5, row + 0.5, 1.0], dtype=torch.float64)
        assert_close(direction[b, row, column], torch.cat([origin, ray / ray.norm()]))
