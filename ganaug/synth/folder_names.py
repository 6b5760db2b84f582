"""A class's name as the name of a folder."""

import hashlib

from ganaug.errors import is_printable

_UNSAFE = '%/\\:*?"<>|'
_LONGEST = 255  # bytes of a file's name
_HIDDEN = ".ganaug-"
_TAKEN = ("manifest.csv", "metadata.jsonl", "readme.md", "shards.csv")  # by what lies beside the folders
_PORTS = (f"{port}{number}" for port in ("COM", "LPT") for number in "123456789¹²³")
_DEVICES = {"CON", "CONIN$", "CONOUT$", "PRN", "AUX", "NUL", *_PORTS}  # Windows has no files of these names


def folder_name(class_name: str) -> str:
    """The class's name as a folder, with what a path could misread percent-encoded: ``../x`` -> ``..%2Fx``.

    A name that is too long for a file system loses its end to a hash of it.
    """
    safe = "".join(
        _encoded(letter) if letter in _UNSAFE or not is_printable(letter) else letter for letter in class_name
    )
    if safe.strip(". ") == "" or safe.lower() in _TAKEN:
        safe = safe.replace(".", "%2E")
    if safe[-1:] in (".", " "):  # Windows drops them
        safe = safe[:-1] + _encoded(safe[-1])
    if safe.lower().startswith(_HIDDEN) or safe.partition(".")[0].rstrip().upper() in _DEVICES:
        safe = _encoded(safe[:1]) + safe[1:]
    whole = safe.encode("utf-8", "surrogatepass")
    if len(whole) <= _LONGEST:
        return safe
    end = "%" + hashlib.sha256(whole).hexdigest()[:16]
    return whole[: _LONGEST - len(end)].decode("utf-8", "ignore") + end


def _encoded(letter: str) -> str:
    return f"%{ord(letter):02X}"
