"""Equations as MathML, which browsers show without a script: from the LaTeX that pymdownx.arithmatex has marked."""

import html
import re
from typing import Any

from latex2mathml.converter import convert

_EQUATION = re.compile(r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<latex>.*?)\\[)\]]</(?P=tag)>', re.S)
# What the converter leaves to do: limits below min and max in an equation of its own, a space behind a function's name.
_LIMIT = re.compile(r"<msub><mo>(min|max)</mo>(<mi>[^<]*</mi>|<mrow>(?:(?!</?mrow>).)*</mrow>)</msub>")
_FUNCTION = re.compile(r"(<m[io]>(?:log|exp|min|max)</m[io]>)(?=<m(?:i|sub)>)")


def on_page_content(page_html: str, **_: Any) -> str:
    return _EQUATION.sub(_mathml, page_html)


def _mathml(found: re.Match[str]) -> str:
    display = "block" if found["tag"] == "div" else "inline"
    mathml = convert(html.unescape(found["latex"]).strip(), display=display)
    mathml = _LIMIT.sub(r'<munder><mo movablelimits="true">\1</mo>\2</munder>', mathml)
    mathml = _FUNCTION.sub(r'\1<mspace width="0.17em"/>', mathml)
    return mathml if display == "inline" else f'<div class="equation">{mathml}</div>'
