"""Images listed in a table: text stays text, rows keep their order, and a mistake names its row."""

import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from expect import refused
from hypothesis import given
from hypothesis import strategies as st
from photos import noise, save

from ganaug.data.table import Table
from ganaug.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Holds a.png to f.png."""
    for name in "abcdef":
        save(tmp_path / f"{name}.png", noise())
    return tmp_path


def table(folder: Path, text: str | bytes, name: str = "labels.csv", **columns: Any) -> Table:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return Table(folder / name, **columns)


def parquet(folder: Path, **columns: list[Any]) -> Table:
    pd.DataFrame(columns).to_parquet(folder / "labels.parquet")
    return Table(folder / "labels.parquet")


def names(found: Any) -> list[str]:
    """The class name of each row."""
    return [found.classes[label] for label in found.labels]


# -------------------------------------------------------------------------------------------------------------- reading


def test_a_row_is_an_image(folder: Path) -> None:
    found = table(folder, "file,label,note\nb.png,dog,x\na.png,cat,y\nc.png,dog,z\n").load()
    assert found.files == ["b.png", "a.png", "c.png"]
    assert found.images == [folder / file for file in found.files]
    assert found.classes == ["cat", "dog"]
    assert names(found) == ["dog", "cat", "dog"]
    assert not found.official_test.any()
    assert found.groups is None


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbffile,label\na.png,x\nb.png,y\n",
        b"file,label\r\na.png,x\r\nb.png,y\r\n",
        b'"file","label"\n"a.png","x"\n"b.png","y"\n',
        b"file,label\n\n a.png , x\n\nb.png,y",
        b"label,file\nx,a.png\ny,b.png\n",
    ],
    ids=["byte order mark", "Windows line ends", "quoted", "blanks", "columns the other way round"],
)
def test_spellings_of_a_csv_file(folder: Path, text: bytes) -> None:
    found = table(folder, text).load()
    assert (found.files, names(found)) == (["a.png", "b.png"], ["x", "y"])


def test_tabs_in_a_tsv_file(folder: Path) -> None:
    found = table(folder, "file\tlabel\na.png\tx, y\nb.png\tz\n", "labels.tsv").load()
    assert names(found) == ["x, y", "z"]


@pytest.mark.parametrize("words", [["NA", "None", "01", "1", "nan", "true"], ["01", "1", "1.0", "1e0", "+1", "001"]])
def test_labels_stay_text(folder: Path, words: list[str]) -> None:
    found = table(
        folder, "file,label\n" + "".join(f"{f}.png,{w}\n" for f, w in zip("abcdef", words, strict=True))
    ).load()
    assert names(found) == words
    assert found.classes == sorted(words)


def test_a_quoted_label_may_hold_a_comma_and_quotes(folder: Path) -> None:
    found = table(folder, 'file,label\na.png,"melanoma, ""in situ"""\nb.png,nevus\n').load()
    assert names(found) == ['melanoma, "in situ"', "nevus"]


def test_split_and_group(folder: Path) -> None:
    rows = ["a.png,x,train,p1", "b.png,y,Val,p1", "c.png,x,TEST,p2", "d.png,y,test,p3", "e.png,y,validation,NA"]
    source = table(folder, "file,label,split,group\n" + "\n".join(rows))
    found = source.load()
    assert found.official_test.tolist() == [False, False, True, True, False]
    assert found.groups == ["p1", "p1", "p2", "p3", "NA"]
    unused = Table(source.path, split=None, group=None).load()
    assert not unused.official_test.any()
    assert unused.groups is None


def test_columns_of_other_names(folder: Path) -> None:
    text = "image,diagnosis,fold,patient\na.png,x,train,7\nb.png,y,test,8\n"
    found = table(folder, text, file="image", label="diagnosis", split="fold", group="patient").load()
    assert names(found) == ["x", "y"]
    assert found.official_test.tolist() == [False, True]
    assert found.groups == ["7", "8"]


def test_files_start_from_the_table_s_folder_or_are_absolute(folder: Path) -> None:
    save(folder / "deep" / "g.png", noise())
    found = table(folder, f"file,label\ndeep/g.png,x\n{folder}/a.png,y\n{folder}/deep/../b.png,y\n").load()
    assert found.images == [folder / "deep" / "g.png", folder / "a.png", folder / "deep" / ".." / "b.png"]


def test_what_the_pipeline_watches(folder: Path) -> None:
    save(folder / "deep" / "er" / "g.png", noise())
    source = table(folder, f"file,label\ndeep/er/g.png,x\na.png,x\n{folder}/b.png,y\n")
    assert source.watched() == [source.path, folder, folder / "a.png", folder / "deep"]


def test_parquet(folder: Path) -> None:
    found = parquet(folder, file=["b.png", "a.png"], label=["dog", "cat"], split=["test", "train"], group=[7, 8]).load()
    assert (found.files, names(found)) == (["b.png", "a.png"], ["dog", "cat"])
    assert found.official_test.tolist() == [True, False]
    assert found.groups == ["7", "8"]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([3, 12], ["3", "12"]),
        ([3.0, 12.0], ["3", "12"]),
        ([0.5, 2.0], ["0.5", "2"]),
        ([True, False], ["True", "False"]),
    ],
)
def test_numbers_in_parquet(folder: Path, values: list[Any], labels: list[str]) -> None:
    assert names(parquet(folder, file=["a.png", "b.png"], label=values).load()) == labels


def test_bytes_in_parquet(folder: Path) -> None:
    """Bytes that are not UTF-8 must not make two classes one."""
    labels = ["é".encode(), b"caf\xe8", b"caf\xe9"]
    assert names(parquet(folder, file=["a.png", "b.png", "c.png"], label=labels).load()) == [
        "é",
        "caf\\xe8",
        "caf\\xe9",
    ]


cell = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=8).filter(str.strip)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), cell), min_size=1, max_size=12), st.booleans())
def test_rows_and_labels_come_as_they_were_written(rows: list[tuple[str, str]], as_parquet: bool) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in "abcdef":
            (folder / f"{name}.png").touch()
        frame = pd.DataFrame([(f"{name}.png", label) for name, label in rows], columns=["file", "label"])
        path = folder / ("labels.parquet" if as_parquet else "labels.csv")
        frame.to_parquet(path) if as_parquet else frame.to_csv(path, index=False)
        found = Table(path).load()
    assert found.files == [f"{name}.png" for name, _ in rows]
    assert names(found) == [label.strip() for _, label in rows]


# ------------------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("file,label\n", ["at least one image", "no rows"]),
        ("", ["must be a table", "No columns"]),
        ("file;label\na.png;x\n", ['column "file"', "found file;label"]),
        ("file,class\na.png,x\n", ['column "label"', "found file, class"]),
        ("file,label\na.png,x\nb.png,\nc.png, \n", ['column "label"', "data row 2", "1 more"]),
        ("file,label\na.png\n", ['column "label"', "data row 1"]),
        ("file,label\n,x\n", ['column "file"', "data row 1"]),
        ("file,label\na.png,x\nz.png,y\n", ["1 of 2 are missing", "z.png (data row 2)"]),
        ("file,label\n" + "".join(f"{n}.png,x\n" for n in range(9)), ["9 of 9", "2.png (data row 3) and 6 more"]),
        ("file,label\n" + "x" * 5000 + ".png,y\n", ["1 of 1 are missing", "..."]),
        ("file,label\n,\n", ['column "file"', "data row 1"]),
        ("file,label\na.png,x\n../b.png,y\n", ["must stay in the table's folder", '"../b.png"', "data row 2"]),
        ("file,label\ndeep/../../b.png,y\n", ["must stay in the table's folder"]),
        ("file,label\n..\\b.png,y\n", ["must stay in the table's folder"]),
        ("file,label\nC:\\..\\b.png,y\n", ["must stay in the table's folder"]),
        ("file,label\na\0.png,y\n", ["zero byte", "correct it"]),
        ("file,label,split\na.png,x,train\nb.png,y,dev\n", ['column "split"', "train, val", '"dev"', "data row 2"]),
        ("file,label,split\na.png,x,train\nb.png,y,\n", ['column "split"', "data row 2"]),
        ("file,label,group\na.png,x,1\nb.png,y,\n", ['column "group"', "data row 2"]),
        ('file,label\n"a.png,x\nb.png,y\n', ["must be a table", "EOF inside string"]),
        ("file,label\na.png,melanoma, in situ\nb.png,y\n", ["must be a table", "more cells than the header"]),
        ("file,label\na.png,x\nb.png,y,z\n", ["must be a table", "line 3"]),
        (b"file,label\na.png,caf\xe9\n", ["must be a table of UTF-8 text"]),
        (bytes(range(256)) * 4, ["must be a table of UTF-8 text"]),
        ('file,label\n"a\nb.png",x\n', ["1 of 1 are missing", "a\\nb.png"]),
        ('"fi\nle",label\na.png,x\n', ['column "file"', "found fi\\nle, label"]),
        ('file,label,split\na.png,x,"te\nst"\n', ['column "split"', '"te\\nst"']),
    ],
)
def test_a_mistake_is_one_line(folder: Path, text: str | bytes, parts: list[str]) -> None:
    with refused("labels.csv", *parts):
        table(folder, text).load()


def test_no_table(folder: Path) -> None:
    with refused("data.source.path", "nowhere.csv", "is not there"):
        Table(folder / "nowhere.csv").load()
    with refused("data.source.path", "is a folder"):
        Table(folder).load()


def test_named_columns_must_be_there(folder: Path) -> None:
    with refused('column "patient"', "found file, label"):
        table(folder, "file,label\na.png,x\n", group="patient").load()
    with refused('column "fold"'):
        table(folder, "file,label\na.png,x\n", split="fold").load()


@pytest.mark.parametrize(
    ("columns", "parts"),
    [
        ({"file": ["a.png", "b.png"], "label": [1, None]}, ['column "label"', "data row 2"]),
        ({"file": ["a.png", None], "label": ["x", "y"]}, ['column "file"', "data row 2"]),
        ({"file": ["a.png", "b.png"], "label": [[1, 2], [3]]}, ['column "label"', "lists or records"]),
        ({"file": [{"path": "a.png"}], "label": [1]}, ['column "file"', "lists or records"]),
        ({"file": [], "label": []}, ["no rows"]),
        ({"image": ["a.png"], "label": [1]}, ['column "file"', "found image, label"]),
    ],
)
def test_a_mistake_in_parquet_is_one_line(folder: Path, columns: dict[str, Any], parts: list[str]) -> None:
    with refused("labels.parquet", *parts):
        parquet(folder, **columns).load()


@pytest.mark.parametrize("data", [b"", b"PAR1", b"file,label\na.png,x\n", bytes(99)])
def test_garbage_in_parquet(folder: Path, data: bytes) -> None:
    with refused("labels.parquet", "must be a table"):
        table(folder, data, "labels.parquet").load()


@given(st.data())
def test_damaged_parquet_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    whole = parquet(folder, file=["a.png", "b.png"], label=["x", "y"]).path.read_bytes()
    damaged = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=5)):
        damaged[place] ^= data.draw(st.integers(1, 255))
    with suppress(UserError):
        table(folder, bytes(damaged[: data.draw(st.integers(0, len(whole)))]), "labels.parquet").load()


def test_a_very_long_number_is_no_number(folder: Path) -> None:
    """Python refuses to read numbers of thousands of digits; the class name is refused later, for its length."""
    assert len(table(folder, f"file,label\na.png,{'9' * 5000}\nb.png,1\n").load().classes) == 2


def test_groups_are_one_line(folder: Path) -> None:
    assert table(folder, 'file,label,group\na.png,x,"p\n1"\nb.png,y,p2\n').load().groups == ["p\\n1", "p2"]


def test_the_title_is_the_file_s_name() -> None:
    assert Table(Path("sets", "lesions.csv")).title() == "lesions"


# ----------------------------------------------------------------------------------------------------- links and limits


def test_what_links_below_a_watched_folder_lead_to_is_watched(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "c.png").write_bytes(b"x")
    (folder / "deep").mkdir()
    (folder / "deep" / "link").symlink_to(elsewhere)
    source = table(folder, "file,label\ndeep/link/c.png,cat\na.png,dog\n")
    assert source.watched() == [source.path, folder / "a.png", folder / "deep", elsewhere]


def test_a_dangling_link_is_named(folder: Path) -> None:
    (folder / "gone.png").symlink_to("/nowhere")
    with refused("gone.png (data row 1, a link to /nowhere, which is not there)"):
        table(folder, "file,label\ngone.png,cat\n").load()


def test_gaps_and_wrong_names_are_told_with_the_way_out(folder: Path) -> None:
    with refused('column "group"', 'data.source.group: null; ganaug init: --group ""'):
        table(folder, "file,label,group\na.png,cat,\n").load()
    with refused('column "split"', 'data.source.split: null; ganaug init: --split ""'):
        table(folder, "file,label,split\na.png,cat,\n").load()
    with refused('column "label"', "data.source.label (ganaug init: --label)"):
        table(folder, "file,kind\na.png,cat\n").load()


def test_rows_of_a_small_parquet_file_are_counted_before_they_are_read(folder: Path) -> None:
    rows = 200_000
    pd.DataFrame({"file": ["a.png"] * rows, "label": ["cat"] * rows}).to_parquet(folder / "set.parquet")
    assert (folder / "set.parquet").stat().st_size < 10_000
    with refused("set.parquet", "at most 8 MiB", "--largest-mib"):
        Table(folder / "set.parquet", largest_mib=8).load()


def test_long_text_that_repeats_is_held_once(folder: Path) -> None:
    """2,000 times 10,000 letters."""
    pd.DataFrame({"file": ["a.png"] * 2000, "label": ["x" * 10_000] * 2000}).to_parquet(folder / "set.parquet")
    source = Table(folder / "set.parquet", largest_mib=2)
    assert isinstance(source._read()["label"].dtype, pd.CategoricalDtype)
    assert source.load().classes == ["x" * 10_000]


def test_a_large_csv_file_is_refused(folder: Path) -> None:
    with refused("labels.csv", "at most 1 MiB"):
        replace(table(folder, "file,label\n" + "a.png,cat\n" * 10_000), largest_mib=1).load()
