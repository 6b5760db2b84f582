"""Every reader, by name."""

from .artifacts import (
    BaselineFile,
    ClassNames,
    FinishedWork,
    GateFiles,
    Manifest,
    PreparedFiles,
    ReportFiles,
)
from .images import ImageFiles, UnlabelledFiles
from .reader import Reader
from .settings import Params
from .sources import IdxFiles, NpzArchive, TableFile, TorchvisionFiles
from .weights import EncoderFile, GeneratorFile, HalfTrained, InitFrom

READERS: dict[str, type[Reader]] = {
    reader.name: reader
    for reader in (
        Params,
        IdxFiles,
        TorchvisionFiles,
        NpzArchive,
        TableFile,
        ImageFiles,
        UnlabelledFiles,
        ClassNames,
        GeneratorFile,
        InitFrom,
        HalfTrained,
        EncoderFile,
        Manifest,
        PreparedFiles,
        FinishedWork,
        ReportFiles,
        GateFiles,
        BaselineFile,
    )
}
