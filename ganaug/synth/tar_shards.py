"""Tar files as WebDataset reads them."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

from ganaug.synth.format import Sample


def write_tar(path: Path, samples: Sequence[Sample], classes: Sequence[str]) -> None:
    """Of each image ``KEY.png``, ``KEY.cls`` (the class's index) and ``KEY.json`` (its name, the image's number)."""
    import tarfile

    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for one in samples:
            told = json.dumps({"class": classes[one.label], "index": one.number}, ensure_ascii=False)
            for ending, data in (("png", one.png), ("cls", b"%d" % one.label), ("json", told.encode())):
                member = tarfile.TarInfo(f"{one.key}.{ending}")  # of 1970 and nobody's: the same bytes at any time
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
