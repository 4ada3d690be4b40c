import hashlib
import os
from pathlib import Path

import pytest

from nocturne.catalogue.audio_files import AUDIO_SUFFIXES, digest_audio, find_audio
from nocturne.errors import BadInput


def rules_of(found):
    return [(r.source, r.key, r.rule) for r in found.refusals]


def test_all_layouts_and_endings_are_found(library):
    library.write_audio("000/000002.mp3", "155/155320.MP3", "3.ogg", "000004.opus", "a/b/5.m4a")
    library.write_audio("spotify:track:4uLU6h.flac")
    assert find_audio(library.audio_dir).paths == {
        "2": "000/000002.mp3",
        "3": "3.ogg",
        "4": "000004.opus",
        "5": "a/b/5.m4a",
        "155320": "155/155320.MP3",
        "spotify:track:4uLU6h": "spotify:track:4uLU6h.flac",
    }


def test_every_audio_ending_counts(library):
    library.write_audio(*(f"{n}{suffix}" for n, suffix in enumerate(sorted(AUDIO_SUFFIXES))))
    assert len(find_audio(library.audio_dir).paths) == len(AUDIO_SUFFIXES) > 20


def told(found):
    return [(one.source, one.rule) for one in found.left_out]


def test_other_and_hidden_files_are_not_looked_at_and_music_among_them_is_told(library):
    library.write_audio(
        "2.mp3", "3.txt", "README", "._4.mp3", ".cache/5.mp3", "checksums", "6", "7.mid", "all.m3u"
    )
    found = find_audio(library.audio_dir)
    assert (list(found.paths), found.refusals, found.found) == (["2"], [], ["2"])
    assert told(found) == [
        ("._4.mp3", "file_hidden"), (".cache", "folder_hidden"), ("7.mid", "format_unknown"),
    ]  # fmt: skip


@pytest.mark.parametrize("folder", ["@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", "#RECYCLE"])
def test_what_storage_systems_keep_beside_the_music_is_none(library, folder):
    """Synology has a folder for each file, called as the file; a bin has what was deleted."""
    library.write_audio("a/2.mp3", f"{folder}/2.mp3/SYNOAUDIO.mp3", f"a/{folder}/2.mp3")
    found = find_audio(library.audio_dir)
    assert (found.paths, found.refusals, found.found) == ({"2": "a/2.mp3"}, [], ["2"])
    assert told(found) == sorted([(folder, "folder_left_out"), (f"a/{folder}", "folder_left_out")])


def test_which_folders_are_left_out_can_be_said(library):
    library.write_audio("@eaDir/2.mp3", "Old Rips/3.mp3")
    found = find_audio(library.audio_dir, ["old rips"])
    assert found.paths == {"2": "@eaDir/2.mp3"}
    assert told(found) == [("Old Rips", "folder_left_out")]


def test_of_two_files_of_a_track_the_one_in_fewer_folders_is_kept(library):
    library.write_audio("2.mp3", "000/000002.mp3", "000002.ogg", "a/b/3.mp3", "z/3.mp3")
    found = find_audio(library.audio_dir)
    assert found.paths == {"2": "000002.ogg", "3": "z/3.mp3"}
    assert rules_of(found) == [
        ("2.mp3", "2", "audio_duplicate"),
        ("000/000002.mp3", "2", "audio_duplicate"),
        ("a/b/3.mp3", "3", "audio_duplicate"),
    ]


def test_names_without_a_track_id_are_refused(library):
    library.write_audio("2.mp3", "song.mp3", "2 (copy).mp3", "2.0.mp3", "-1.mp3")
    assert {(r.source, r.rule) for r in find_audio(library.audio_dir).refusals} == {
        (name, "audio_name_unknown") for name in ("song.mp3", "2 (copy).mp3", "2.0.mp3", "-1.mp3")
    }


def test_a_name_that_is_not_utf8_is_refused_in_writable_text(library):
    library.write_audio("2.mp3")
    Path(os.fsdecode(os.fsencode(library.audio_dir) + b"/\xff")).mkdir()
    Path(os.fsdecode(os.fsencode(library.audio_dir) + b"/\xff/3.mp3")).touch()
    assert rules_of(find_audio(library.audio_dir)) == [("\\xff/3.mp3", "3", "audio_name_unknown")]


def test_pipes_and_dangling_links_named_like_audio_are_refused_and_folders_are_folders(library):
    library.write_audio("2.mp3", "9.mp3/10.mp3")
    (library.audio_dir / "4.mp3").symlink_to("nowhere.mp3")
    os.mkfifo(library.audio_dir / "5.mp3")
    found = find_audio(library.audio_dir)
    assert (list(found.paths), found.found) == (["2", "10"], ["2", "10"])
    assert rules_of(found) == [(f"{n}.mp3", str(n), "audio_unreadable") for n in (4, 5)]


def test_linked_folders_are_followed_once(library, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "3.mp3").touch()
    library.write_audio("000/000002.mp3")
    (library.audio_dir / "linked").symlink_to(elsewhere)
    (library.audio_dir / "000" / "circle").symlink_to(library.audio_dir)
    found = find_audio(library.audio_dir)
    assert found.paths == {"2": "000/000002.mp3", "3": "linked/3.mp3"}
    assert found.refusals == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_may_not_be_listed_is_refused(library):
    library.write_audio("2.mp3", "000/3.mp3")
    (library.audio_dir / "000").chmod(0)
    found = find_audio(library.audio_dir)
    (library.audio_dir / "000").chmod(0o755)
    assert rules_of(found) == [("000", "", "audio_unreadable")]


@pytest.mark.parametrize("name", ["absent", "file"])
def test_a_folder_that_cannot_be_read_is_bad_input(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=f"audio folder .*{name} cannot be read.*NOCTURNE_AUDIO_DIR"):
        find_audio(tmp_path / name)


def test_a_folder_without_audio_is_bad_input(library):
    library.write_audio("readme.txt")
    with pytest.raises(BadInput, match=r"no audio file in .*audio.*000/000002.mp3.*mp3"):
        find_audio(library.audio_dir)


@pytest.mark.parametrize("content", [b"", b"audio" * 300_000])
def test_a_digest_is_of_the_whole_file(tmp_path, content):
    (tmp_path / "2.mp3").write_bytes(content)
    digest = digest_audio(tmp_path / "2.mp3")
    assert digest.audio_bytes == len(content)
    assert digest.audio_sha256 == hashlib.sha256(content).hexdigest()
