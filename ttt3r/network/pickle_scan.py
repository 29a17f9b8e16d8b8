"""How much a pickle would make, found out without making it: its instructions are read one by one.

A pickle is a small program. Each instruction is read once; of what would stand on its stack only the size is kept. So the scan
itself is bounded by the length of the text, and a pickle whose values would be too many, too deep or too large is refused
before any reader sees it.
"""

import io
import pickletools
from dataclasses import dataclass

from ttt3r.untrusted import shown

MOST_BYTES = 32 * 2**20
"""Of a checkpoint's pickle, which holds names and shapes; the weights lie beside it."""
MOST_INSTRUCTIONS = 2_000_000
"""Instructions of the pickle."""
MOST_DEPTH = 200
"""Of values within values."""
MOST_VALUES = 10_000_000
"""Counted wherever they are referred to, as a reader that follows every reference would meet them."""
MOST_CHARACTERS = 2**20
"""Of one text."""
MOST_INTEGER_BYTES = 32
"""Bytes of a whole number."""

# What PyTorch's reader knows; pickles of protocol 2 have no others.
_KNOWN = frozenset(
    ("GLOBAL", "NEWOBJ", "REDUCE", "BUILD", "APPEND", "APPENDS", "SETITEM", "SETITEMS", "MARK", "PROTO", "STOP")
    + ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "BINPERSID")
    + (
        "NONE",
        "NEWFALSE",
        "NEWTRUE",
        "BININT",
        "BININT1",
        "BININT2",
        "BINFLOAT",
        "LONG1",
        "BINUNICODE",
        "SHORT_BINSTRING",
    )
    + ("BINGET", "LONG_BINGET", "BINPUT", "LONG_BINPUT")
)
_INTO = frozenset(("APPEND", "APPENDS", "SETITEM", "SETITEMS", "BUILD"))
# What a checkpoint calls, in the words of protocol 2: tensors over storages that lie in the file, and small values. PyTorch
# would call more, among it what makes a tensor of any size out of a number.
_CALLED = frozenset(
    f"torch._utils _rebuild_{name}" for name in ("tensor", "tensor_v2", "tensor_v3", "parameter", "sparse_tensor")
) | {
    "_codecs encode",
    "__builtin__ set",
    "__builtin__ complex",
    "builtins set",
    "builtins complex",
    "collections OrderedDict",
    "collections Counter",
    "torch Size",
    "torch device",
    "torch.nn.parameter Parameter",
    "torch.serialization _get_layout",
}


class TooMuch(ValueError):
    """A pickle that asks for more than a checkpoint needs."""


@dataclass
class _Value:
    """What is known of a value: its depth and how many values are within; its text, or that of its last part; what it names."""

    depth: int = 1
    count: int = 1
    text: str | None = None
    name: str | None = None


class _Mark:
    pass


def scan(data: bytes, inert: tuple[str, ...]) -> None:
    """Refuse a pickle that is too long, too deep, too large or damaged, or uses what checkpoints do not.

    Args:
        data: the pickle.
        inert: beginnings of the names that the reader replaces by stand-ins which do nothing; these may be called.

    Raises:
        TooMuch: if it asks for more than `MOST_...` allow.
        ValueError: if it is no pickle, or one with instructions of another kind.
    """
    if len(data) > MOST_BYTES:
        raise TooMuch(f"its pickle has {len(data)} bytes, at most {MOST_BYTES} are read")
    machine = _Machine(inert)
    for number, (instruction, argument, _) in enumerate(pickletools.genops(io.BytesIO(data)), start=1):
        if number > MOST_INSTRUCTIONS:
            raise TooMuch(f"its pickle has more than {MOST_INSTRUCTIONS} instructions")
        machine.do(instruction.name, argument)


class _Machine:
    """The stack and the memo of a reader, with sizes in the place of values."""

    def __init__(self, inert: tuple[str, ...]) -> None:
        self._inert = inert
        self._stack: list[_Value | _Mark] = []
        self._memo: dict[int, _Value] = {}
        self._marks = 0

    def do(self, name: str, argument: object) -> None:
        """One instruction."""
        if name not in _KNOWN:
            raise ValueError(f"its pickle holds the instruction {name}, which PyTorch does not write")
        if name in ("PROTO", "STOP"):
            return
        if name == "MARK":
            self._marks += 1
            if self._marks > MOST_DEPTH:
                raise TooMuch(f"its values are nested more than {MOST_DEPTH} deep")
            self._stack.append(_Mark())
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[_number(argument)] = self._top()
        elif name in ("BINGET", "LONG_BINGET"):
            if (place := _number(argument)) not in self._memo:
                raise ValueError("its pickle refers to a value that it does not have")
            self._stack.append(self._memo[place])
        elif name in _INTO:
            self._fill(
                self._pop_items() if name in ("APPENDS", "SETITEMS") else self._pop(2 if name == "SETITEM" else 1)
            )
        else:
            self._stack.append(self._made(name, argument))

    def _made(self, name: str, argument: object) -> _Value:
        """A new value, made of what lies on the stack."""
        if name == "TUPLE":
            return _joined(self._pop_items())
        if name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            return _joined(self._pop(int(name[-1])))
        if name == "BINPERSID":
            return _joined(self._pop(1))
        if name in ("REDUCE", "NEWOBJ"):
            called, given = self._pop(2)
            self._require_harmless(called, given)
            return _joined([called, given])
        if isinstance(argument, str | bytes) and len(argument) > MOST_CHARACTERS:
            raise TooMuch(f"it holds a text of {len(argument)} characters, at most {MOST_CHARACTERS} are read")
        if isinstance(argument, int) and argument.bit_length() > 8 * MOST_INTEGER_BYTES:
            raise TooMuch(f"it holds a number of {argument.bit_length()} bits")
        text = argument if isinstance(argument, str) else None
        return _Value(name=text) if name == "GLOBAL" else _Value(text=text)

    def _require_harmless(self, called: _Value, given: _Value) -> None:
        name = (called.name or "a value").replace(" ", ".")
        stand_in = name.startswith(self._inert) and not name.startswith("builtins.")
        if called.name not in _CALLED and not stand_in:
            raise ValueError(f"it wants to call {shown(name)[1:-1]}, which a checkpoint has no need of")
        if called.name == "_codecs encode" and given.text != "latin1":
            raise ValueError(f"it holds bytes in the encoding {shown(given.text)}, which PyTorch does not write")

    def _fill(self, items: list[_Value]) -> None:
        """Values go into the one below them, which may be referred to from elsewhere already."""
        holder, more = self._top(), _joined(items)
        holder.depth, holder.count = max(holder.depth, more.depth), holder.count + more.count
        _require_bounds(holder)

    def _top(self) -> _Value:
        if not self._stack or isinstance(found := self._stack[-1], _Mark):
            raise ValueError("its pickle takes a value from where there is none")
        return found

    def _pop(self, count: int) -> list[_Value]:
        items: list[_Value] = []
        for _ in range(count):
            items.append(self._top())
            self._stack.pop()
        return items[::-1]

    def _pop_items(self) -> list[_Value]:
        items: list[_Value] = []
        while self._stack and not isinstance(found := self._stack.pop(), _Mark):
            items.append(found)
        self._marks -= 1
        if self._marks < 0:
            raise ValueError("its pickle closes what it did not open")
        return items[::-1]


def _joined(parts: list[_Value]) -> _Value:
    made = _Value(
        1 + max((part.depth for part in parts), default=0),
        1 + sum(part.count for part in parts),
        parts[-1].text if parts else None,  # of an encoding, the last argument of its call
    )
    _require_bounds(made)
    return made


def _require_bounds(value: _Value) -> None:
    if value.depth > MOST_DEPTH:
        raise TooMuch(f"its values are nested more than {MOST_DEPTH} deep")
    if value.count > MOST_VALUES:
        raise TooMuch(f"it refers to more than {MOST_VALUES} values")


def _number(argument: object) -> int:
    if not isinstance(argument, int):
        raise ValueError("its pickle refers to a value without a number")
    return argument
