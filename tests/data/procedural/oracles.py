"""What several tests measure: distances from solids, warps between frames, what is seen again."""

import torch
from torch import Tensor

from ttt3r.data.procedural import ClipBatch, Scenes
from ttt3r.geometry import invert_rigid


def distance_of_boxes(points: Tensor, center: Tensor, half: Tensor, turn: Tensor) -> Tensor:
    """Signed distance of (batch, point, 3) from every (batch, solid): negative inside."""
    x, y, z = (points[:, :, None] - center[:, None]).unbind(-1)
    cos, sin = turn[:, None].unbind(-1)
    local = torch.stack([cos * x - sin * z, y, sin * x + cos * z], dim=-1).abs() - half[:, None]
    return local.clamp_min(0).norm(dim=-1) + local.amax(-1).clamp_max(0)


def distance_of_solids(scenes: Scenes, points: Tensor) -> Tensor:
    """Distance of (batch, point, 3) from the nearest wall, floor, ceiling or piece of furniture; negative inside one."""
    low, high = scenes.hull[:, None].unbind(2)
    nearest = [torch.minimum(points - low, high - points).amin(-1, keepdim=True)]
    for solids in (scenes.walls, scenes.boxes, scenes.turned):
        nearest.append(distance_of_boxes(points, solids.center, solids.half, solids.turn))
    away = points[:, :, None] - scenes.balls.center[:, None]
    nearest.append(away.norm(dim=-1) - scenes.balls.half[:, None, :, 0])
    away = points[:, :, None] - scenes.cylinders.center[:, None]
    half = scenes.cylinders.half[:, None]
    edge = torch.stack([away[..., 0::2].norm(dim=-1) - half[..., 0], away[..., 1].abs() - half[..., 1]], dim=-1)
    nearest.append(edge.clamp_min(0).norm(dim=-1) + edge.amax(-1).clamp_max(0))
    there = [torch.ones_like(nearest[0], dtype=torch.bool)]
    for solids in (scenes.walls, scenes.boxes, scenes.turned, scenes.balls, scenes.cylinders):
        there.append((solids.half[:, None, :, 0] > 0).expand(-1, points.shape[1], -1))
    distances = torch.cat(nearest, dim=-1)
    return torch.where(torch.cat(there, dim=-1), distances, torch.inf).amin(-1)


def warp(clip: ClipBatch, source: int, target: int) -> tuple[Tensor, Tensor, Tensor]:
    """Per pixel of `source`: whether `target` sees its point, the colours there, and by how much depths differ (relative)."""
    points = clip.points_world()[source].flatten(1, 2)
    back = invert_rigid(clip.camera_to_first[target])
    moved = points @ back[:, :3, :3].transpose(1, 2) + back[:, None, :3, 3]
    pixels = moved @ clip.intrinsics.transpose(1, 2)
    height, width = clip.size
    z = moved[..., 2].clamp_min(1e-3)
    place = pixels[..., :2] / z[..., None]
    inside = (moved[..., 2] > 0.05) & (place > 0).all(-1) & (place[..., 0] < width - 1) & (place[..., 1] < height - 1)
    grid = (place / place.new_tensor([width - 1, height - 1]) * 2 - 1)[:, None].clamp(-2, 2)
    sample = torch.nn.functional.grid_sample
    color = sample(clip.image[target], grid, align_corners=True)[:, :, 0].transpose(1, 2)
    depth = sample(clip.depth[target, :, None], grid, align_corners=True)[:, 0, 0]
    return inside, color, (depth / z - 1).abs()


def seen_again(clip: ClipBatch) -> Tensor:
    """Share of the first frame's points that each frame sees: (frame, batch)."""
    shares = []
    for frame in range(clip.frames):
        inside, _, difference = warp(clip, 0, frame)
        shares.append((inside & (difference < 0.05)).float().mean(1))
    return torch.stack(shares)
