"""Parquet files that Hugging Face's ``datasets`` reads with an image and its class."""

import json
from collections.abc import Sequence
from pathlib import Path

from ganaug.synth.format import Sample

_ROWS = 1000  # of a row group: what a reader that streams holds at a time


def write_parquet(path: Path, samples: Sequence[Sample], classes: Sequence[str]) -> None:
    """Columns ``image`` (PNG), ``label`` and ``index``, the image's number in its class.

    The schema says, as ``datasets`` itself writes it, that they are an Image and a ClassLabel with the names of the
    ``classes``.
    """
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    features = {
        "image": {"_type": "Image"},
        "label": {"_type": "ClassLabel", "names": list(classes)},
        "index": {"_type": "Value", "dtype": "int64"},
    }
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema(
        [("image", image), ("label", pa.int64()), ("index", pa.int64())],
        {"huggingface": json.dumps({"info": {"features": features}})},
    )
    columns = {
        "image": [{"bytes": one.png, "path": f"{one.key}.png"} for one in samples],
        "label": [one.label for one in samples],
        "index": [one.number for one in samples],
    }
    # PNG does not shrink further, and no two images are equal: no compression, no dictionary of them.
    pq.write_table(pa.table(columns, schema), path, row_group_size=_ROWS, compression="none", use_dictionary=["label"])
