"""Equations at build time: LaTeX between lines of `$$`, or inline between $` and `$, becomes MathML that browsers draw.

Nothing is fetched and no script runs, so equations also show from disk; on GitHub the same source is drawn by its own means.
"""

import re
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError

_CODE = re.compile(r"^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^\$\$\n(?P<formula>.*?)\n\$\$$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"\$`(?P<formula>[^`\n]+)`\$")
_ALIGN = re.compile(r'columnalign="(left|right|center)"')  # browsers follow the style and not this attribute any more


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replace the equations of a page, but not what stands in code."""
    parts, end = [], 0
    for code in _CODE.finditer(markdown):
        parts += [_drawn(markdown[end : code.start()], page.file.src_uri), code.group()]
        end = code.end()
    return "".join([*parts, _drawn(markdown[end:], page.file.src_uri)])


def _drawn(text: str, where: str) -> str:
    text = _BLOCK.sub(lambda found: f'<div class="equation">{mathml(found["formula"], "block", where)}</div>', text)
    return _INLINE.sub(lambda found: mathml(found["formula"], "inline", where), text)


def mathml(formula: str, display: str, where: str) -> str:
    """One equation as MathML.

    Raises:
        PluginError: if the formula cannot be read, or holds a command that the converter does not know.
    """
    try:
        made = convert(formula, display=display)
    except Exception as error:  # the converter has many exceptions and no common one
        raise PluginError(f"{where}: cannot read the equation {formula!r} ({error!r})") from error
    if "\\" in made or "<mi>&</mi>" in made:
        raise PluginError(f"{where}: the equation {formula!r} holds a command that is not known here")
    return _ALIGN.sub(r'style="text-align: \1"', made).replace("*", "&#x2217;").replace("_", "&#x5F;")
