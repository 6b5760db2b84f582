"""Tar files as WebDataset reads them."""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from ganaug.synth.format import Sample

_BLOCK, _RECORD = 512, 10240  # bytes that a member, and a whole file, are multiples of


def write_tar(path: Path, samples: Sequence[Sample], classes: Sequence[str]) -> None:
    """Of each image ``KEY.png``, ``KEY.cls`` (the class's index) and ``KEY.json`` (its name, the image's number)."""
    with path.open("wb") as file:
        for one in samples:
            told = json.dumps({"class": classes[one.label], "index": one.number}, ensure_ascii=False)
            for ending, data in (("png", one.png), ("cls", b"%d" % one.label), ("json", told.encode())):
                file.writelines(_member(f"{one.key}.{ending}", data))
        file.write(bytes(2 * _BLOCK))
        file.write(bytes(-file.tell() % _RECORD))


def _member(name: str, data: bytes) -> Iterator[bytes]:
    """In POSIX's ustar. Only three fields differ between members, and tarfile takes longer for a header than a small
    GAN for its image."""
    header = bytearray(_plain_header())
    header[: len(name)] = name.encode()
    header[124:135] = b"%011o" % len(data)
    header[148:156] = b"%06o\0 " % sum(header)
    yield from (bytes(header), data, bytes(-len(data) % _BLOCK))


@cache
def _plain_header() -> bytes:
    """That of a file of 1970 and nobody's, so that the same images are the same bytes at any time; without a checksum,
    which is counted as spaces."""
    import tarfile

    header = tarfile.TarInfo("").tobuf(tarfile.USTAR_FORMAT)
    return header[:148] + b" " * 8 + header[156:]
