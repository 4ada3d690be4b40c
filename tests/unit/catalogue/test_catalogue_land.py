import json
from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest

from nocturne.catalogue import audio_files, land
from nocturne.catalogue.contracts import COLUMNS, CatalogueTrack
from nocturne.catalogue.land import WRITTEN, land_library, read_catalogue, write_landed
from nocturne.errors import BadInput
from nocturne.refusals import read_refusals


def land_it(library, known_before=None):
    return land_library(library.audio_dir, library.metadata_dir, known_before)


def land_rows(library, *rows):
    """Land the rows, with audio for the track ids 1 to 9."""
    library.write_tracks({"track_id": "9"}, *rows)
    library.write_audio(*(f"{n}.mp3" for n in range(1, 10)))
    return land_it(library)


def rules_of(landed):
    return [(r.source, r.key, r.rule) for r in landed.refusals if r.rule != "metadata_missing"]


def test_a_good_row_lands_whole(library):
    library.write_tracks({})
    library.write_audio("000/000002.mp3", content=b"")
    landed = land_it(library)
    [track] = landed.tracks.to_dict("records")
    assert {name: value for name, value in track.items() if "echonest" not in name} == {
        "track_id": "2",
        "title": "Food",
        "artist_id": "1",
        "artist_name": "AWOL",
        "album_id": "1",
        "album_title": "AWOL - A Way Of Life",
        "genre_id": "21",
        "genre_title": "Hip-Hop",
        "genre_ids": ["21"],
        "genre_titles": ["Hip-Hop"],
        "top_genre_title": None,
        "duration_seconds": 168.0,
        "listens": 1293,
        "favorites": 2,
        "bit_rate": 256000,
        "date_created": pd.Timestamp("2008-11-26T01:48:12Z"),
        "license": "Attribution",
        "audio_path": "000/000002.mp3",
        "audio_bytes": 0,
        "audio_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }
    assert (landed.refusals, landed.without_audio) == ([], [])
    assert (landed.rows_read, landed.files_found) == (1, 1)
    assert list(landed.tracks.columns) == COLUMNS


def test_tracks_are_sorted_by_id_as_text(library):
    library.write_tracks({"track_id": "2"}, {"track_id": "10"}, {"track_id": "spotify:track:a1"})
    library.write_audio("2.mp3", "10.mp3", "spotify:track:a1.mp3")
    assert land_it(library).tracks["track_id"].tolist() == ["10", "2", "spotify:track:a1"]


@pytest.mark.parametrize(
    ("fault", "key", "rule"),
    [
        ({"track_id": ""}, "line 3", "track_id_missing"),
        ({"track_id": "-1"}, "line 3", "track_id_missing"),
        ({"track_id": "two"}, "two", "track_id_malformed"),
        ({"track_id": "-2"}, "-2", "track_id_malformed"),
        ({"track_title": " "}, "1", "title_missing"),
        ({"track_title": "<p></p>"}, "1", "title_missing"),
        ({"artist_name": ""}, "1", "artist_name_missing"),
        ({"track_duration": "-3"}, "1", "duration_invalid"),
        ({"track_duration": "long"}, "1", "duration_invalid"),
        ({"track_date_created": "yesterday"}, "1", "date_created_invalid"),
        ({"track_genres": "[{'genre_id':"}, "1", "genres_invalid"),
        ({"track_listens": "many"}, "1", "listens_invalid"),
        ({"track_favorites": "-7"}, "1", "favorites_invalid"),
        ({"track_bit_rate": "320k"}, "1", "bit_rate_invalid"),
        ({"track_title": "", "track_duration": "x"}, "1", "title_missing"),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused_by_its_name(library, fault, key, rule):
    landed = land_rows(library, {"track_id": "1", **fault}, {"track_id": "3"})
    assert rules_of(landed) == [("raw_tracks.csv", key, rule)]
    assert landed.tracks["track_id"].tolist() == ["3", "9"]
    assert landed.rows_read == 3
    assert "line 3" in next(r.reason for r in landed.refusals if r.rule == rule)


def test_the_reason_shows_the_value(library):
    landed = land_rows(library, {"track_id": "1", "track_duration": "long"})
    reasons = [r.reason for r in landed.refusals]
    assert any(reason.endswith("minutes:seconds: 'long'") for reason in reasons)


def test_a_row_with_the_wrong_number_of_fields_is_refused_and_counted(library):
    library.write_tracks({})
    library.write_audio("2.mp3")
    path = library.metadata_dir / "raw_tracks.csv"
    path.write_text(path.read_text() + "3,too,short\n")
    landed = land_it(library)
    assert rules_of(landed) == [("raw_tracks.csv", "line 3", "fields_wrong")]
    assert (len(landed.tracks), landed.rows_read) == (1, 2)


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("track_duration", "duration_seconds"),
        ("track_listens", "listens"),
        ("track_favorites", "favorites"),
        ("track_bit_rate", "bit_rate"),
        ("track_date_created", "date_created"),
        ("license_title", "license"),
        ("album_title", "album_title"),
        ("album_id", "album_id"),
        ("artist_id", "artist_id"),
        ("track_genres", "genre_id"),
    ],
)
def test_what_may_be_absent_is_null(library, column, name):
    landed = land_rows(library, {"track_id": "1", column: " "})
    assert rules_of(landed) == []
    assert landed.tracks.set_index("track_id")[name].isna().tolist() == [True, False]


def test_no_genres_are_empty_lists(library):
    tracks = land_rows(library, {"track_id": "1", "track_genres": "[]"}).tracks
    assert tracks["genre_ids"].tolist() == [[], ["21"]]
    assert tracks["genre_titles"][0] == []


def test_of_rows_equal_in_what_we_read_one_is_kept_quietly(library):
    landed = land_rows(library, {"track_id": "1"}, {"track_id": "01 "}, {"track_id": "1"})
    assert rules_of(landed) == []
    assert landed.tracks["track_id"].tolist() == ["1", "9"]


def test_of_different_rows_with_one_id_the_first_good_one_is_kept(library):
    rows = [{"track_id": "1", "track_title": title} for title in ("", "first", "second")]
    landed = land_rows(library, *rows)
    assert landed.tracks["title"].tolist() == ["first", "Food"]
    assert rules_of(landed) == [
        ("raw_tracks.csv", "1", "title_missing"),
        ("raw_tracks.csv", "1", "track_id_duplicate"),
    ]


def test_rows_without_audio_are_kept_apart(library):
    landed = land_rows(library, {"track_id": "77"}, {"track_id": "78", "track_title": ""})
    assert rules_of(landed) == [("raw_tracks.csv", "78", "title_missing")]
    assert [(r.source, r.key, r.rule) for r in landed.without_audio] == [
        ("raw_tracks.csv", "77", "audio_missing")
    ]


def test_audio_without_a_row_is_refused_but_not_for_a_refused_row(library):
    library.write_tracks({}, {"track_id": "3", "track_title": ""})
    library.write_audio("2.mp3", "3.mp3", "000/000004.mp3")
    landed = land_it(library)
    assert [(r.source, r.key, r.rule) for r in landed.refusals] == [
        ("000/000004.mp3", "4", "metadata_missing"),
        ("raw_tracks.csv", "3", "title_missing"),
    ]
    assert landed.files_found == 3


def test_a_row_whose_audio_was_refused_is_not_without_audio(library):
    library.write_tracks({}, {"track_id": "3"})
    library.write_audio("2.mp3")
    (library.audio_dir / "3.mp3").symlink_to("nowhere.mp3")
    landed = land_it(library)
    assert rules_of(landed) == [("3.mp3", "3", "audio_unreadable")]
    assert landed.without_audio == []


def test_audio_that_cannot_be_opened_is_refused(library, monkeypatch):
    def refuse_three(path):
        if path.name == "3.mp3":
            raise PermissionError(13, "Permission denied")
        return audio_files.digest_audio(path)

    monkeypatch.setattr(land, "digest_audio", refuse_three)
    landed = land_rows(library, {"track_id": "3"})
    assert rules_of(landed) == [("3.mp3", "3", "audio_unreadable")]
    assert landed.tracks["track_id"].tolist() == ["9"]


class TestKnownBefore:
    moment = datetime(2008, 11, 26, 1, 48, 12, tzinfo=UTC)

    def land(self, library, known_before):
        library.write_tracks(
            {"track_id": "1", "track_date_created": "11/26/2008 01:48:11 AM"},
            {"track_id": "2", "track_date_created": "11/26/2008 01:48:12 AM", "track_title": ""},
            {"track_id": "3", "track_date_created": ""},
            {"track_id": "4", "track_date_created": "2012"},
            {"track_id": "3", "track_date_created": "2013"},
        )
        library.write_audio("1.mp3", "2.mp3", "02.mp3", "3.mp3", "4.mp3/x", "5.mp3")
        return land_it(library, known_before)

    @pytest.mark.parametrize(
        "known_before",
        [moment, moment.replace(tzinfo=None), moment.astimezone(timezone(timedelta(hours=5)))],
    )
    def test_later_tracks_leave_no_trace(self, library, known_before):
        landed = self.land(library, known_before)
        assert landed.tracks["track_id"].tolist() == ["1", "3"]
        assert [(r.key, r.rule) for r in landed.refusals] == [("5", "metadata_missing")]
        assert landed.without_audio == []
        assert (landed.rows_read, landed.files_found) == (2, 3)

    def test_their_audio_is_not_hashed(self, library, monkeypatch):
        hashed = []
        monkeypatch.setattr(
            land, "digest_audio", lambda path: hashed.append(path.name) or land.Digest(0, "0" * 64)
        )
        self.land(library, self.moment)
        assert sorted(hashed) == ["1.mp3", "3.mp3"]

    def test_all_are_known_later(self, library):
        landed = self.land(library, datetime(2030, 1, 1, tzinfo=UTC))
        assert len(landed.refusals) > 1
        assert landed.rows_read == 5

    def test_before_all_of_them_the_library_is_empty(self, library):
        library.write_tracks({})
        library.write_audio("2.mp3")
        landed = land_it(library, datetime(2000, 1, 1, tzinfo=UTC))
        assert landed.tracks.empty
        assert (landed.refusals, landed.rows_read, landed.files_found) == ([], 0, 0)
        write_landed(landed, library.metadata_dir / "out")
        pd.testing.assert_frame_equal(read_catalogue(library.metadata_dir / "out"), landed.tracks)


class TestMerge:
    genres = (
        ["genre_id", "#tracks", "parent", "title", "top_level"],
        ["12", "9", "0", "Rock", "12"],
        ["25", "9", "12", "Punk", "12"],
        ["64", "9", "25", "Electro-Punk", "12"],
    )

    def test_genres_get_titles_and_their_root(self, library):
        library.write_csv("genres.csv", self.genres)
        landed = land_rows(library, {"track_id": "1", "track_genres": "[64, 12]"})
        track = landed.tracks.iloc[0]
        assert (track.genre_id, track.genre_title, track.top_genre_title) == (
            "64",
            "Electro-Punk",
            "Rock",
        )
        assert track.genre_titles == ["Electro-Punk", "Rock"]

    def test_the_root_is_found_by_climbing_where_the_file_does_not_say(self, library):
        rows = [["genre_id", "genre_color", "genre_handle", "genre_parent_id", "genre_title"]]
        rows += [["12", "", "", "", "Rock"], ["25", "", "", "12", "Punk"]]
        rows += [["64", "", "", "25", "Electro-Punk"], ["13", "", "", "126", "Easy Listening"]]
        rows += [["7", "", "", "8", "Egg"], ["8", "", "", "7", "Hen"]]
        library.write_csv("raw_genres.csv", rows)
        tracks = [{"track_id": str(n), "track_genres": f"[{g}]"} for n, g in
                  enumerate((64, 13, 7), start=1)]  # fmt: skip
        landed = land_rows(library, *tracks)
        assert landed.tracks["top_genre_title"].tolist()[:3] == ["Rock", "Easy Listening", "Hen"]

    def test_raw_genres_add_what_genres_lack(self, library):
        library.write_csv("genres.csv", self.genres)
        rows = [["genre_id", "genre_parent_id", "genre_title"], ["12", "", "Stone"]]
        library.write_csv("raw_genres.csv", [*rows, ["806", "12", "Extra"]])
        landed = land_rows(library, {"track_id": "1", "track_genres": "[806, 12]"})
        assert landed.tracks["genre_titles"][0] == ["Extra", "Rock"]
        assert landed.tracks["top_genre_title"][0] == "Rock"

    def test_an_unknown_genre_keeps_the_track_and_the_lists_own_title(self, library, caplog):
        library.write_csv("genres.csv", self.genres)
        landed = land_rows(library, {"track_id": "1", "track_genres": "[999]"})
        assert landed.tracks["genre_id"].tolist() == ["999", "21"]
        assert landed.tracks["genre_titles"].tolist() == [[None], ["Hip-Hop"]]
        assert landed.tracks["top_genre_title"].isna().all()
        assert "2 genre ids are not in the genres file: ['21', '999']" in caplog.messages

    def test_albums_and_artists_fill_what_the_tracks_lack(self, library):
        library.write_csv("raw_albums.csv", [["album_id", "album_title"], ["07", "<b>Seven</b>"]])
        library.write_csv("artists.csv", [["artist_id", "artist_name"], ["5", "Five"]])
        landed = land_rows(
            library,
            {"track_id": "1", "album_id": "7.0", "album_title": "", "artist_name": ""}
            | {"artist_id": "5"},
            {"track_id": "2", "album_id": "8", "album_title": ""},
            {"track_id": "3", "album_id": "-1", "album_title": ""},
        )
        tracks = landed.tracks.astype(object).where(landed.tracks.notna(), None)
        assert tracks["album_title"].tolist()[:3] == ["Seven", None, None]
        assert tracks["album_id"].tolist()[:3] == ["7", "8", None]
        assert tracks["artist_name"].tolist()[0] == "Five"
        assert rules_of(landed) == []

    def test_echonest_json_is_joined_by_track_id(self, library):
        columns = {"track_id": {"0": 9, "1": 77}, "tempo": {"1": 1.5, "0": 120.5}}
        (library.metadata_dir / "echonest-metrics.json").write_text(json.dumps(columns))
        tracks = land_rows(library, {"track_id": "1"}).tracks
        assert tracks["echonest_tempo"].tolist() == [pd.NA, 120.5]
        assert tracks["echonest_energy"].isna().all()

    def test_echonest_csv_has_three_header_rows(self, library):
        rows = [["", "echonest", "echonest"], ["", "audio_features", "audio_features"]]
        rows += [["", "tempo", "energy"], ["track_id", "", ""], ["9", "120.5", "0.25"]]
        library.write_csv("echonest.csv", [*rows, ["1", "fast", "0.5"], ["2", "inf", "0.5"]])
        landed = land_rows(library, {"track_id": "1"})
        assert landed.tracks["echonest_energy"].tolist() == [pd.NA, 0.25]
        assert rules_of(landed) == [("echonest.csv", n, "echonest_invalid") for n in "12"]

    def test_bad_rows_of_the_other_files_are_refused(self, library):
        rows = [["album_id", "album_title"], ["", "none"], ["1", "One"], ["1", "One"]]
        library.write_csv("raw_albums.csv", [*rows, ["1", "Uno"], ["2"]])
        landed = land_rows(library, {"track_id": "1", "album_title": ""})
        assert landed.tracks["album_title"][0] == "One"
        assert rules_of(landed) == [
            ("raw_albums.csv", "1", "album_id_duplicate"),
            ("raw_albums.csv", "line 2", "album_id_missing"),
            ("raw_albums.csv", "line 6", "fields_wrong"),
        ]

    @pytest.mark.parametrize(
        ("name", "content", "rule"),
        [
            ("echonest.json", "{", "file_unreadable"),
            ("echonest.json", "[1]", "file_unreadable"),
            ("echonest.json", "{}", "columns_missing"),
            ("genres.csv", "a,b\n1,2\n", "columns_missing"),
            ("genres.csv", "", "columns_missing"),
        ],
    )
    def test_an_optional_file_that_cannot_serve_is_refused_whole(
        self, library, name, content, rule
    ):
        (library.metadata_dir / name).write_text(content)
        landed = land_rows(library)
        assert rules_of(landed) == [(name, "", rule)]
        assert len(landed.tracks) == 1


class TestPublishedEdition:
    rows = tuple(
        line.split(",")
        for line in (
            ",album,album,artist,artist,track,track,track,track,track",
            ",id,title,id,name,date_created,duration,genre_top,genres,title",
            "track_id,,,,,,,,,",
            "2,-1,,1,AWOL,2008-11-26 01:48:12,168,Hip-Hop,[21],Food",
            "3,1,Way,1,AWOL,2008-11-26 01:48:14,237,,[],",
        )
    )

    def test_it_lands(self, library):
        library.write_csv("tracks.csv", self.rows)
        library.write_audio("000/000002.mp3", "000/000003.mp3")
        landed = land_it(library)
        track = landed.tracks.iloc[0]
        assert (track.title, track.genre_ids, track.top_genre_title) == ("Food", ["21"], "Hip-Hop")
        assert track.duration_seconds == 168
        assert track.isna()["album_id"]
        assert rules_of(landed) == [("tracks.csv", "3", "title_missing")]
        assert landed.refusals[0].reason == "line 5 has no title"

    def test_it_is_preferred_to_the_raw_one(self, library, caplog):
        caplog.set_level("INFO")
        library.write_csv("tracks.csv", self.rows)
        library.write_tracks({"track_title": "Raw"})
        library.write_audio("2.mp3")
        assert land_it(library).tracks["title"].tolist() == ["Food"]
        assert "tracks: tracks.csv (not read: raw_tracks.csv)" in caplog.messages


class TestBadInput:
    def test_no_metadata_folder(self, library):
        library.write_audio("2.mp3")
        with pytest.raises(BadInput, match=r"metadata folder .*absent cannot be read"):
            land_library(library.audio_dir, library.metadata_dir / "absent")

    def test_no_tracks_file(self, library):
        library.write_audio("2.mp3")
        library.write_csv("genres.csv", [["genre_id"]])
        with pytest.raises(BadInput, match=r"no tracks file in .*raw_tracks\.csv"):
            land_it(library)

    @pytest.mark.parametrize("content", ["track_id,name\n2,x\n", "", '\x00"'])
    def test_a_needed_column_is_lacking(self, library, content):
        library.write_audio("2.mp3")
        (library.metadata_dir / "raw_tracks.csv").write_text(content)
        with pytest.raises(BadInput) as error:
            land_it(library)
        message = str(error.value)
        assert "raw_tracks.csv lacks a needed column" in message
        assert "track_title or track.title or title" in message
        if content.startswith("track_id"):
            assert "(title, artist_name)" in message
            assert "Found are: track_id, name" in message

    def test_artist_ids_do_where_the_artists_have_names(self, library):
        library.write_audio("2.mp3")
        library.write_csv("tracks.csv", [["track_id", "title", "artist_id"], ["2", "Food", "5"]])
        with pytest.raises(BadInput, match=r"lacks a needed column \(artist_name\)"):
            land_it(library)
        library.write_csv("raw_artists.csv", [["artist_id", "artist_name"], ["5", "Five"]])
        assert land_it(library).tracks["artist_name"].tolist() == ["Five"]

    @pytest.mark.parametrize("rows", [[], [{"track_id": "7"}]])
    def test_nothing_matches(self, library, rows):
        library.write_tracks({}, *rows)
        library.write_audio("8.mp3", "song.mp3")
        with pytest.raises(BadInput, match=r"No track of .*raw_tracks\.csv has an audio file"):
            land_it(library)

    def test_no_audio(self, library):
        library.write_tracks({})
        with pytest.raises(BadInput, match="no audio file in"):
            land_it(library)


class TestWritten:
    def land(self, library):
        return land_rows(
            library,
            {"track_id": "1", "track_title": 'Na"ï,ve', "track_genres": "[]", "track_listens": ""},
            {"track_id": "2", "track_genres": "[999]", "track_date_created": ""},
            {"track_id": "3", "track_title": ""},
            {"track_id": "77"},
            {"track_id": "8", "track_listens": str(2**53 + 1)},
        )

    def test_the_catalogue_reads_back_equal(self, library, tmp_path):
        landed = self.land(library)
        write_landed(landed, tmp_path / "run" / "landed")
        read = read_catalogue(tmp_path / "run" / "landed")
        pd.testing.assert_frame_equal(read, landed.tracks)
        CatalogueTrack.validate(read)
        assert read["genre_ids"].tolist() == landed.tracks["genre_ids"].tolist()
        assert type(read["genre_ids"][0]) is list

    def test_final_csv_is_for_any_reader(self, library, tmp_path):
        write_landed(self.land(library), tmp_path / "out")
        frame = pd.read_csv(tmp_path / "out" / "final.csv", dtype=str, keep_default_na=False)
        assert list(frame.columns) == COLUMNS
        assert frame["title"].tolist() == ['Na"ï,ve', "Food", "Food", "Food"]
        assert [json.loads(text) for text in frame["genre_ids"]] == [[], ["999"], ["21"], ["21"]]
        assert json.loads(frame["genre_titles"][1]) == [None]
        assert frame["date_created"].tolist()[:2] == ["2008-11-26T01:48:12+00:00", ""]
        assert frame["listens"].tolist() == ["", "1293", "9007199254740993", "1293"]

    def test_refusals_are_written(self, library, tmp_path):
        landed = self.land(library)
        write_landed(landed, tmp_path / "out")
        assert read_refusals(tmp_path / "out" / "refusals.jsonl") == landed.refusals
        assert read_refusals(tmp_path / "out" / "without_audio.jsonl") == landed.without_audio
        assert read_refusals(tmp_path / "out" / "left_out.jsonl") == landed.left_out

    def test_equal_libraries_give_equal_bytes(self, library, tmp_path):
        for name in ("one", "two"):
            write_landed(self.land(library), tmp_path / name)
        files = sorted(path.name for path in (tmp_path / "one").iterdir())
        assert files == sorted(WRITTEN)
        for name in files:
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()

    def test_a_failure_while_writing_changes_nothing(self, library, tmp_path, monkeypatch):
        landed = self.land(library)
        write_landed(landed, tmp_path / "out")
        (tmp_path / "out" / "report.html").write_text("kept")
        before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

        def fail(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(land, "to_arrow", fail)
        with pytest.raises(OSError, match="No space"):
            write_landed(land.Landed(landed.tracks[:1], [], [], 1, 1), tmp_path / "out")
        assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
        assert not list(tmp_path.glob(".out.*"))

    def test_a_folder_without_catalogue_is_bad_input(self, tmp_path):
        with pytest.raises(BadInput, match=r"no catalogue at .*Land the library"):
            read_catalogue(tmp_path)


def test_a_damaged_name_does_not_spoil_the_others(library):
    library.write_tracks({"artist_name": "Björk"}, {"track_id": "3", "artist_name": "Sigur R@s"})
    path = library.metadata_dir / "raw_tracks.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"R@s", b"R\xf3s\x81"))
    library.write_audio("2.mp3", "3.mp3")
    artists = land_it(library).tracks["artist_name"].tolist()
    assert artists == ["Björk", "Sigur Rós\N{REPLACEMENT CHARACTER}"]


def test_missing_optional_files_are_logged(library, caplog):
    library.write_tracks({})
    library.write_audio("2.mp3")
    with caplog.at_level("INFO"):
        land_it(library)
    assert "tracks: raw_tracks.csv" in caplog.messages
    assert "albums: no file; their columns stay null" in caplog.messages
