"""Operations on trees of tensors: nested frozen dataclasses, tuples and dicts with tensors as leaves.

A memory, a proposal, the state of a rule are such trees. The recurrence never changes one in place: it makes a new one,
row by row of the batch where sequences differ. Anything that is not a tensor (a patch grid, a setting) is carried along.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar, cast, get_args, get_type_hints

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor
from torch.utils import _pytree as pytree

__all__ = [
    "concatenate",
    "detach",
    "form",
    "map_tensors",
    "named_tensors",
    "register",
    "require_types",
    "rows",
    "select",
    "split",
    "to",
]

T = TypeVar("T")


def _plain(annotation: Any) -> bool:
    """Whether a field holds settings, such as a patch grid, and no tensors. PyTorch fills trees with numbers too."""
    parts = get_args(annotation)
    return all(map(_plain, parts)) if parts else annotation in (bool, int, float, str, type(None), ...)


def register(kind: type[T]) -> type[T]:
    """Show a dataclass to PyTorch as a tree, so that `torch.func`, `torch.export` and `torch.utils.checkpoint` see its tensors.

    Fields that hold tensors or trees are children; plain settings stay with the structure. Made again without `__init__`, since
    PyTorch also fills trees with things that are no tensors. Usable as a decorator.
    """

    @functools.cache
    def fields() -> list[tuple[str, bool]]:
        hints = _hints(kind)
        return [(field.name, _plain(hints.get(field.name, Any))) for field in dataclasses.fields(cast(Any, kind))]

    def flatten(tree: Any) -> tuple[list[Any], tuple[tuple[str, ...], tuple[tuple[str, Any], ...]]]:
        values = [(name, getattr(tree, name), plain) for name, plain in fields()]
        children = {name: value for name, value, plain in values if not plain and value is not None}
        settings = tuple((name, value) for name, value, _ in values if name not in children)
        return [*children.values()], (tuple(children), settings)

    def unflatten(children: Iterable[Any], structure: Any) -> Any:
        names, settings = structure
        made = object.__new__(kind)
        for name, value in [*zip(names, children, strict=True), *settings]:
            object.__setattr__(made, name, value)
        return made

    def flatten_with_keys(tree: Any) -> tuple[list[Any], Any]:
        children, structure = flatten(tree)
        return [(pytree.GetAttrKey(name), child) for name, child in zip(structure[0], children, strict=True)], structure

    pytree.register_pytree_node(kind, flatten, unflatten, flatten_with_keys_fn=flatten_with_keys)
    return kind


def map_tensors(function: Callable[..., Tensor], tree: T, *others: T) -> T:
    """Apply `function` to the tensors that stand at the same place in each tree.

    Raises:
        ValueError: where the trees differ in structure.
    """
    return _map(function, [tree, *others])


def _map(function: Callable[..., Tensor], trees: Sequence[Any]) -> Any:
    first = trees[0]
    if any(type(tree) is not type(first) for tree in trees) and not all(isinstance(tree, Tensor) for tree in trees):
        raise ValueError(f"trees differ in structure: {', '.join(type(tree).__name__ for tree in trees)}")
    if isinstance(first, Tensor):
        return function(*trees)
    if dataclasses.is_dataclass(first) and not isinstance(first, type):
        names = [field.name for field in dataclasses.fields(first)]
        return dataclasses.replace(
            first, **{name: _map(function, [getattr(tree, name) for tree in trees]) for name in names}
        )
    if isinstance(first, tuple):
        if len({len(tree) for tree in trees}) > 1:
            raise ValueError(f"trees differ in structure: tuples of {[len(tree) for tree in trees]} parts")
        return tuple(_map(function, places) for places in zip(*trees, strict=True))
    if isinstance(first, dict):
        if any(tree.keys() != first.keys() for tree in trees):
            raise ValueError(f"trees differ in structure: keys {[sorted(tree) for tree in trees]}")
        return {key: _map(function, [tree[key] for tree in trees]) for key in first}
    if first is None or isinstance(first, bool | int | float | str):
        return first
    raise ValueError(
        f"a tree holds tensors, dataclasses, tuples, dicts and plain settings, not a {type(first).__name__}"
    )


def named_tensors(tree: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield `(path, tensor)` for every tensor of the tree; paths join field names and indices by dots."""
    prefix = f"{name}." if name else ""
    if isinstance(tree, Tensor):
        yield name, tree
    elif dataclasses.is_dataclass(tree):
        for field in dataclasses.fields(tree):
            yield from named_tensors(getattr(tree, field.name), prefix + field.name)
    elif isinstance(tree, tuple):
        for index, part in enumerate(tree):
            yield from named_tensors(part, f"{prefix}{index}")
    elif isinstance(tree, dict):
        for key, part in tree.items():
            yield from named_tensors(part, f"{prefix}{key}")


def select(mask: Bool[Tensor, " batch"], new: T, old: T) -> T:
    """Take row b of every tensor from `new` where `mask[b]`, else from `old`, bit for bit.

    Both trees have the same structure, and the batch is the first axis of every tensor in them.
    """
    return map_tensors(lambda a, b: torch.where(mask.reshape(-1, *[1] * (a.ndim - 1)), a, b), new, old)


def rows(tree: T, start: int, stop: int) -> T:
    """Rows `start` to `stop` of the batch of every tensor."""
    return map_tensors(lambda tensor: tensor[start:stop], tree)


def split(tree: T, size: int) -> list[T]:
    """The inverse of `concatenate` for parts of `size` rows each.

    One call for each tensor, whose backward pass is one concatenation; rows taken one after the other would each give a
    gradient of the size of the whole.

    Raises:
        ValueError: for a tree without tensors, which has no rows.
    """
    pieces = [tensor.split(size) for _, tensor in named_tensors(tree)]
    if not pieces:
        raise ValueError(f"a tree without tensors cannot be split, got {type(tree).__name__}")
    return [_refilled(tree, iter(parts)) for parts in zip(*pieces, strict=True)]


def _refilled(tree: T, tensors: Iterator[Tensor]) -> T:
    return map_tensors(lambda _: next(tensors), tree)


def concatenate(trees: Sequence[T]) -> T:
    """Join trees of the same structure along the batch."""
    if len(trees) == 1:
        return trees[0]
    return map_tensors(lambda *tensors: torch.cat(tensors), *trees)


def detach(tree: T) -> T:
    """The same values without gradient history."""
    return map_tensors(Tensor.detach, tree)


def to(tree: T, device: torch.device | str) -> T:
    """Copy every tensor to `device`."""
    # Towards the CPU the copy must be done when the call returns: its result may be read at once.
    ahead = torch.device(device).type != "cpu"
    return map_tensors(lambda tensor: tensor.to(device, non_blocking=ahead), tree)


def _hints(kind: type) -> dict[str, Any]:
    try:
        return get_type_hints(kind)
    except NameError:  # a class that names another by a text which means nothing outside its function
        return {}


def require_types(tree: Any, name: str = "") -> None:
    """Check every field of the dataclasses in a tree against its annotation: tensors by dtype and number of axes.

    Raises:
        ValueError: naming the first field that does not fit.
    """
    from beartype.door import is_bearable  # loaded only where it is needed

    if isinstance(tree, Tensor):
        return
    prefix = f"{name}." if name else ""
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        hints = _hints(type(tree))
        for field in dataclasses.fields(tree):
            value = getattr(tree, field.name)
            if not is_bearable(value, hints.get(field.name, Any)):
                what = form(value) if isinstance(value, Tensor) else type(value).__name__
                raise ValueError(f"{prefix}{field.name} is {what}, which does not fit a {type(tree).__name__}")
            require_types(value, prefix + field.name)
    parts = enumerate(tree) if isinstance(tree, tuple) else tree.items() if isinstance(tree, dict) else ()
    for key, part in parts:
        require_types(part, f"{prefix}{key}")


def form(tensor: Shaped[Tensor, "*shape"]) -> str:
    """Dtype, shape and device of a tensor in words, for messages."""
    return f"{str(tensor.dtype).removeprefix('torch.')}{tuple(tensor.shape)} on {tensor.device}"
