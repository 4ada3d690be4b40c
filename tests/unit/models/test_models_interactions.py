import gzip
import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nocturne.errors import BadInput, Misuse
from nocturne.models.interactions import gather, read_interactions

# Three pairs of two users and three items: a heard x five times and y once, b heard z twice.
ROWS = [("a", "x", "5"), ("a", "y", "1"), ("b", "z", "2")]
SECOND = 10**9


@pytest.fixture
def read(tmp_path):
    """Reads the interactions of a text, or of bytes."""

    def read_content(content):
        path = tmp_path / "listens.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_interactions(path)

    return read_content


def pairs(interactions):
    """What was heard, as (user, item): weight."""
    names = zip(interactions.user, interactions.item, interactions.weight, strict=True)
    return {(interactions.users[u], interactions.items[i]): float(w) for u, i, w in names}


def assert_same(one, other):
    assert (one.users, one.items) == (other.users, other.items)
    for name in ("user", "item", "weight", "at"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("separator", ["\t", ",", ";", "::", " ", "   ", "|", " | "])
@pytest.mark.parametrize("header", [None, ("userID", "artistID", "weight")])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_separator_and_header_are_found_out(read, separator, header, ending):
    rows = ROWS if header is None else [header, *ROWS]
    read_back = read("".join(separator.join(row) + ending for row in rows))
    assert pairs(read_back) == {("a", "x"): 5, ("a", "y"): 1, ("b", "z"): 2}
    assert read_back.at is None
    names = ("1", "2", "3") if header is None else header
    assert read_back.columns == dict(zip(("user", "item", "count"), names, strict=True))


@pytest.mark.parametrize(
    "header",
    [
        "user_id\ttrack_id\tplays",
        "User,Item,Listen Count",
        "userId::movieId::rating",
        "listener;song;count",
        "user_id:token\titem_id:token\trating:float",
        '"userID","artistID","playcount"',
        "uid|iid|value",
    ],
)
def test_usual_headers_are_known(read, header):
    separator = re.search(r"::|[\t,;|]", header).group()
    text = "\n".join([header, *(separator.join(row) for row in ROWS)])
    assert pairs(read(text)) == {("a", "x"): 5, ("a", "y"): 1, ("b", "z"): 2}


def test_a_header_chooses_its_columns_in_any_order(read):
    found = read("artist,timestamp,genre,track_id,user\nQueen,1300000000,rock,t1,u1\n")
    assert pairs(found) == {("u1", "t1"): 1.0}  # a track says more than its artist
    assert found.at.tolist() == [1_300_000_000 * SECOND]
    assert found.columns == {"user": "user", "item": "track_id", "timestamp": "timestamp"}


@pytest.mark.parametrize(
    ("third", "seconds"),
    [
        (("1300000000", "1300000001"), 1_300_000_000),
        (("1300000000.0", "1300000001.0"), 1_300_000_000),
        (("1300000000000", "1300000001000"), 1_300_000_000),
        (("1300000000000000", "1300000001000000"), 1_300_000_000),
        (("1300000000000000000", "1300000001000000000"), 1_300_000_000),
        (("2011-03-13T07:06:40Z", "2011-03-13 08:06:41+01:00"), 1_300_000_000),
        (("2011-03-13 07:06:40", "2011-03-13 07:06:41"), 1_300_000_000),
    ],
)
def test_a_third_column_of_nothing_but_times_is_the_timestamp(read, third, seconds):
    found = read(f"a\tx\t{third[0]}\na\ty\t{third[1]}\n")
    assert found.weight.tolist() == [1.0, 1.0]
    assert found.at.tolist() == [seconds * SECOND, (seconds + 1) * SECOND]


@pytest.mark.parametrize("header", ["user,item,timestamp\n", ""])
@pytest.mark.parametrize(
    ("times", "line", "reason"),
    [
        ((1300000000, 1300000001, 1300000002000), 3, "milliseconds, '1300000000' in line 1 in sec"),
        ((1300000000, 1300000001000, 1300000002000), 1, "seconds, '1300000001000' in line 2 in mi"),
        ((1300000000, 1300000001, 1300000002000000), 3, "microseconds, .* in seconds"),
        ((1300000000, 1300000001, 1300000002000000000), 3, "nanoseconds, .* in seconds"),
        ((1300000000000, 1300000001, 1300000001000), 2, r"1 of 3 rows .*\(lines 2\)"),
    ],
)
def test_times_of_two_units_are_refused_with_their_rows(read, header, times, line, reason):
    text = header + "".join(f"a,{item},{at}\n" for item, at in zip("xyz", times, strict=True))
    if header:
        line, reason = line + 1, "one file has one unit of time"
    with pytest.raises(BadInput, match=rf"line {line}: the timestamp .*{reason}"):
        read(text)


@pytest.mark.parametrize("third", [("1300000000", "7"), ("2009", "2010"), ("0.5", "5")])
def test_a_third_column_of_other_numbers_is_the_count(read, third):
    found = read(f"a,x,{third[0]}\na,y,{third[1]}\n")
    assert (found.at, found.weight.tolist()) == (None, [float(number) for number in third])


def test_count_and_timestamp_may_stand_in_either_order_without_a_header(read):
    one, other = read("a::x::4::978300760\n"), read("a::x::978300760::4\n")
    assert_same(one, other)
    assert (one.weight.tolist(), one.at.tolist()) == ([4.0], [978_300_760 * SECOND])


def test_two_columns_count_one_each_and_duplicates_add_up(read):
    found = read("a,x\nb,x\na,x\na,y\n")
    assert pairs(found) == {("a", "x"): 2, ("a", "y"): 1, ("b", "x"): 1}


def test_duplicates_keep_the_newest_time(read):
    found = read("user,item,count,at\na,x,1,20\na,x,2,30\na,x,4,10\n")
    assert (found.weight.tolist(), found.at.tolist()) == ([7.0], [30 * SECOND])


def test_zero_counts_are_left_out_and_counted(read):
    found = read("a,x,0\na,y,3\nb,z,0.0\n")
    assert (found.users, found.items, found.zero_counts) == (["a"], ["y"], 2)


HEARD = [("b", "é"), ("a", "x"), ("a", "x"), ("a", "x"), ("B", "x"), ("10", "y"), ("9", "é")]
HEARD_TENTHS = [(*pair, tenths) for tenths, pair in enumerate(HEARD, 1)]


def gather_tenths(rows):
    users, items, tenths = zip(*rows, strict=True)
    return gather(users, items, np.array(tenths) / 10, np.array(tenths))


def test_pairs_are_sorted_by_name():
    found = gather_tenths(HEARD_TENTHS)
    assert found.users == ["10", "9", "B", "a", "b"]
    assert found.items == ["x", "y", "é"]
    assert found.user.tolist() == [0, 1, 2, 3, 4]
    assert found.item.tolist() == [1, 2, 0, 0, 2]
    assert found.weight == pytest.approx([0.6, 0.7, 0.5, 0.2 + 0.3 + 0.4, 0.1])
    assert found.at.tolist() == [6, 7, 5, 4, 1]


@given(st.permutations(HEARD_TENTHS))
def test_the_order_of_rows_does_not_matter_to_the_last_bit(rows):
    """Floats add up to something else in another order: 0.2 + 0.3 + 0.4, 0.4 + 0.3 + 0.2."""
    assert_same(gather_tenths(rows), gather_tenths(HEARD_TENTHS))


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffuser,item\na,Sigur Rós\n".encode(),
        gzip.compress("user,item\na,Sigur Rós\n".encode()),
        "\r\n\r\nuser,item\r\n\r\n a , Sigur Rós \r\n\r\n".encode(),
        ("\n" * 200 + "user,item\na,Sigur Rós\n").encode(),
        'user,item\n"a","Sigur Rós"'.encode(),
        "user,item\ra,Sigur Rós\r".encode(),
    ],
    ids=["BOM", "gzip", "blank lines", "late start", "quotes", "old Mac"],
)
def test_files_of_many_makes_are_read(read, content):
    assert pairs(read(content)) == {("a", "Sigur Rós"): 1}


def test_names_may_hold_what_separates_elsewhere(read):
    found = read('a\t"Weird Al" Yankovic, live\t3\nb\tHall; Oates | x::y\t4\nnan\tNULL\t5\n')
    assert found.users == ["a", "b", "nan"]
    assert found.items == ['"Weird Al" Yankovic, live', "Hall; Oates | x::y", "NULL"]
    assert read('a,"Crosby, Stills"\nb,"say ""hi"""\n').items == ["Crosby, Stills", 'say "hi"']


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("user,item\n", "a header and no interactions"),
        (
            "a\nb\n",
            "line 1: one column; expected user and item, separated by one of tab, ::, comma",
        ),
        (",,\n", "line 1: one column"),
        ("a,x,1\na,y,many\n", "line 2: the count 'many' is not a number of 0 or more"),
        ("a,x,1\n\na,y,-2\n", "line 3: the count '-2'"),
        ("a,x,nan\n", "line 1: the count 'nan'"),
        ("a,x,1\na,y,inf\n", "line 2: the count 'inf'"),
        ("user,item,count\na,x,\n", "line 2: the count ''"),
        ("a,x,0\n", "no interactions: of 1 rows, none has a count above 0"),
        ("a,x,1e308\na,x,1e308\n", "add up to more than a number can hold"),
        ("a,x,1\n,y,1\n", "line 2: the user is empty"),
        ("user\titem\na\tx\nb\t\n", "line 3: the item is empty"),
        ("a,x,1\na,y\n", "line 2: 2 columns, where the first row has 3"),
        ("a,x\na,y\na,z,1\n", "line 3: 3 columns, where the first row has 2"),
        ("a,x,1,2,3\n", "5 columns and no header"),
        ("userID,what\na,x\n", "the header userID, what names no item"),
        ("track,listens\nx,3\n", "the header track, listens names no user"),
        ("user,item,at\na,x,2020-01-01\na,y,yesterday\n", "line 3: the timestamp 'yesterday'"),
        ("user,item,at\na,x,5\na,y,2020-01-01\n", "line 3: the timestamp '2020-01-01'"),
        ("user,item,at\na,x,-5\n", "line 2: the timestamp '-5'"),
        ('a,x\na,"y\nb,z\n', "line 2: its quotes or cells are malformed"),
        (b"a,x\nb,\xe9t\xe9\n", "line 2: not UTF-8 text"),
        (b"\x1f\x8b\x08 not gzip", "damaged gzip"),
    ],
)
def test_bad_files_are_refused_with_place_and_reason(read, content, message):
    with pytest.raises(BadInput, match=r"listens\.txt.*" + re.escape(message)):
        read(content)


def test_a_truncated_gzip_file_is_refused(read):
    with pytest.raises(BadInput, match="damaged gzip"):
        read(gzip.compress(b"a,x\n" * 1000)[:-9])


def test_no_file_is_misuse(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(Misuse, match=re.escape(f"There is no file {path}.")):
            read_interactions(path)


def test_the_matrix_has_ones_or_weights_of_the_chosen():
    found = gather(["a", "a", "b"], ["x", "y", "z"], np.array([5.0, 1.0, 2.0]), None)
    chosen = np.array([True, False, True])
    assert found.to_matrix(chosen).toarray().tolist() == [[1, 0, 0], [0, 0, 1]]
    assert found.to_matrix(chosen, weighted=True).toarray().tolist() == [[5, 0, 0], [0, 0, 2]]


@pytest.mark.real_data
def test_lastfm_is_read_alike_with_and_without_its_header(real_data, tmp_path):
    path = real_data / "listening" / "hetrec2011-lastfm-2k" / "user_artists.dat"
    bare = tmp_path / "bare.dat"
    bare.write_bytes(path.read_bytes().split(b"\n", 1)[1])
    found = read_interactions(path)
    assert (len(found.weight), len(found.users), len(found.items)) == (92_834, 1_892, 17_632)
    assert (found.weight.max(), found.at, found.zero_counts) == (352_698.0, None, 0)
    assert all(one < other for one, other in pairwise(found.items))
    assert_same(found, read_interactions(bare))
