"""The formats that images are exported in: one entry in the table each."""

from ganaug.synth.archive import read_npz, write_npz
from ganaug.synth.class_folders import image_folder_lines, write_png
from ganaug.synth.format import Format, Shards
from ganaug.synth.parquet import write_parquet
from ganaug.synth.tar_shards import write_tar

FORMATS: dict[str, Format | Shards] = {
    "png": Format("png", write_png),
    "npz": Format("npz", write_npz, read=read_npz),
    "parquet": Shards("parquet", write_parquet, needs="pyarrow"),
    "webdataset": Shards("tar", write_tar),
    "imagefolder-metadata": Format("png", write_png, metadata=image_folder_lines),
}
