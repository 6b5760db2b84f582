"""Equations as MathML, which browsers show without a script: from the LaTeX that pymdownx.arithmatex has marked."""

import html
import re
from typing import Any

from latex2mathml.converter import convert

_EQUATION = re.compile(r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<latex>.*?)\\[)\]]</(?P=tag)>', re.S)


def on_page_content(page_html: str, **_: Any) -> str:
    return _EQUATION.sub(_mathml, page_html)


def _mathml(found: re.Match[str]) -> str:
    display = "block" if found["tag"] == "div" else "inline"
    mathml = convert(html.unescape(found["latex"]).strip(), display=display)
    return mathml if display == "inline" else f'<div class="equation">{mathml}</div>'
