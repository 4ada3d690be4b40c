import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nocturne.catalogue.read import decode_text, read_table

COLUMNS = {"track_id": (), "title": ("track_title", "track.title")}


def read(tmp_path, content):
    path = tmp_path / "tracks.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, COLUMNS, "track_id")


def rows_of(table):
    return table.frame[["track_id", "title"]].to_numpy().tolist()


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"caf\xc3\xa9", "café"),
        (b"\xef\xbb\xbfcaf\xc3\xa9", "café"),
        (b"caf\xe9 \x93x\x94", "café “x”"),
        (b"a\x81b", "a\N{REPLACEMENT CHARACTER}b"),
        (b"caf\xc3\xa9 and caf\xe9", "café and café"),
        (b"\xef\xbb\xbfcaf\xe9", "café"),
        (b"?\x80?", "?€?"),
        (b"", ""),
    ],
)
def test_text_is_utf8_and_cp1252_where_it_is_not(raw, text):
    assert decode_text(raw)[0] == text


def test_the_log_says_which_encoding_was_used(tmp_path, caplog):
    with caplog.at_level("INFO"):
        read(tmp_path, "track_id,title\n1,a\n")
        read(tmp_path, b"track_id,title\n1,\xe9\n")
    assert "tracks.csv read as UTF-8" in caplog.messages
    assert "tracks.csv read as UTF-8 with cp1252 where it is not" in caplog.messages


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_blank_lines_and_multi_line_fields(tmp_path, end):
    text = end.join(["track_id,x,title", '2,"one', "", 'two",Food', "", '3,"a ""b"", c",d', ""])
    table = read(tmp_path, text)
    assert rows_of(table) == [["2", "Food"], ["3", "d"]]
    assert table.frame["line"].tolist() == [2, 6]
    assert table.refusals == []


def test_a_row_with_the_wrong_number_of_fields_is_refused_with_its_line(tmp_path):
    table = read(tmp_path, 'track_id,title\n1,a\n2,b,c\n3\n4,"d\nd"\n')
    assert table.frame["track_id"].tolist() == ["1", "4"]
    assert [(r.source, r.key, r.rule) for r in table.refusals] == [
        ("tracks.csv", "line 3", "fields_wrong"),
        ("tracks.csv", "line 4", "fields_wrong"),
    ]
    assert table.refusals[0].reason == "line 3: 3 fields where the header has 2"


def test_a_multi_line_row_with_too_many_fields_is_one_refusal(tmp_path):
    table = read(tmp_path, 'track_id,x,title\n1,"a\nb\nc",d,e,f\n2,y,z\n')
    assert rows_of(table) == [["2", "z"]]
    assert [r.reason for r in table.refusals] == ["lines 2 to 4: 5 fields where the header has 3"]


@pytest.mark.parametrize("broken", ['10,"never closed', '"10,never closed', '1"0,"x" y "z'])
@pytest.mark.parametrize("later", ["40,title 40", '40,"title 40"', '40,"title, ""40"""'])
def test_a_quote_left_open_does_not_swallow_the_rows_after_it(tmp_path, broken, later):
    lines = [f"{n},title {n}" for n in range(1, 50)]
    lines[9], lines[39] = broken, later
    table = read(tmp_path, "\n".join(["track_id,title", *lines]))
    assert set(table.frame["track_id"]) >= {str(n) for n in range(1, 50) if n != 10}
    assert {r.key for r in table.refusals} <= {"line 11"}
    assert len(table.frame) + len(table.refusals) == 49


def test_loose_quotes_in_a_field_over_several_lines_are_forgiven(tmp_path):
    table = read(tmp_path, 'track_id,x,title\n2,"a\n"b" c",Food\n')
    assert table.refusals == []
    assert table.frame["title"].tolist() == ["Food"]


def test_a_two_row_header_is_joined_and_its_index_name_row_is_no_track(tmp_path):
    table = read(tmp_path, ",album,track\n,title,title\ntrack_id,,\n2,Way,Food\n")
    assert rows_of(table) == [["2", "Food"]]
    assert table.found == ["track_id", "album.title", "track.title"]
    assert table.frame["line"].tolist() == [4]


def test_a_three_row_header_is_joined(tmp_path):
    path = tmp_path / "echonest.csv"
    path.write_text(",echonest\n,audio_features\n,tempo\ntrack_id,\n2,120.5\n")
    columns = {"track_id": (), "tempo": ("echonest.audio_features.tempo",)}
    frame = read_table(path, columns, "track_id").frame
    assert frame[["track_id", "tempo"]].to_numpy().tolist() == [["2", "120.5"]]


def test_columns_that_the_file_lacks_are_null_and_header_case_does_not_matter(tmp_path):
    table = read(tmp_path, " Track_ID ,other\n2,x\n")
    assert table.frame["track_id"].tolist() == ["2"]
    assert table.frame["title"].isna().all()


@pytest.mark.parametrize("content", ["", "\n\n", "track_id,title\n"])
def test_a_file_without_rows_gives_no_rows(tmp_path, content):
    assert read(tmp_path, content).frame.empty


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
WESTERN = st.text(st.sampled_from("aé“€ \",\n\r';ß"), max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 10**6).map(str), TEXT | WESTERN), max_size=6),
    dialect=st.sampled_from([csv.excel, csv.unix_dialect]),
    codec=st.sampled_from(["utf-8", "utf-8-sig", "cp1252"]),
)
def test_what_a_csv_writer_wrote_is_read_back(tmp_path_factory, rows, dialect, codec):
    file = io.StringIO(newline="")
    csv.writer(file, dialect).writerows([("track_id", "title"), *rows])
    try:
        raw = file.getvalue().encode(codec)
    except UnicodeEncodeError:
        raw = file.getvalue().encode()
    if codec == "cp1252" and decode_text(raw)[0] != file.getvalue():
        return  # text whose cp1252 bytes happen to be UTF-8 too
    table = read(tmp_path_factory.mktemp("csv"), raw)
    assert [tuple(row) for row in rows_of(table)] == rows
    assert table.refusals == []


@settings(max_examples=100, deadline=None)
@given(raw=st.binary(max_size=300))
def test_no_bytes_make_reading_crash(tmp_path_factory, raw):
    read(tmp_path_factory.mktemp("csv"), raw)
    read(tmp_path_factory.mktemp("csv"), b"track_id,title\n" + raw)


def as_text(path, content, encoding="utf-8"):
    path.write_bytes(content.encode(encoding))
    return read_table(path, {"track_id": (), "title": ()}, "track_id")


PLAIN = "track_id,title\n2,Señorita\n3,夜\n"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-8"])
@pytest.mark.parametrize("marks", ["", "\ufeff", "\ufeff\ufeff"])
def test_what_spreadsheets_save_is_read_whatever_marks_it_begins_with(tmp_path, encoding, marks):
    table = as_text(tmp_path / "a.csv", marks + PLAIN, encoding)
    assert table.frame["track_id"].tolist() == ["2", "3"]
    assert table.frame["title"].tolist() == ["Señorita", "夜"]
    assert table.refusals == []


@pytest.mark.parametrize(
    "content",
    [
        "track_id;title\n2;a, b\n3;c\n",
        "sep=;\ntrack_id;title\n2;a, b\n3;c\n",
        'SEP=,\r\ntrack_id,title\r\n2,"a, b"\r\n3,c\r\n',
        "track_id\ttitle\n2\ta, b\n3\tc\n",
        "track_id|title\n2|a, b\n3|c\n",
        'track_id,title\n2,"a, b",\n3,c,\n',
        'track_id,title,\n2,"a, b",\n3,c,\n',
    ],
)
def test_separators_of_other_countries_and_separators_at_the_end(tmp_path, content):
    table = as_text(tmp_path / "a.csv", content)
    assert table.frame["title"].tolist() == ["a, b", "c"]
    assert table.refusals == []


def test_a_line_with_a_field_too_many_is_told_whatever_separates_them(tmp_path):
    table = as_text(tmp_path / "a.csv", "track_id;title\n2;a\n3;b;c\n")
    assert [(one.key, one.rule) for one in table.refusals] == [("line 3", "fields_wrong")]
