"""A small published library that can be heard, with titles that mean harm."""

import numpy as np
import pandas as pd
import soundfile

from nocturne.audio.names import FEATURE_NAMES
from nocturne.store.collections import ensure_collections
from nocturne.store.versions import note_version, open_candidate, publish, write_table

VERSION = "2026-11-19.aaaaaaaaaaaa"
COUNT = 30
TRACKS = [f"{number:03}" for number in range(COUNT)]
NEIGHBOURS = 9
LISTED = 9
SECONDS = 3
SAMPLE_RATE = 22_050
SCRIPT, ARABIC = "004", "006"
HOSTILE = {
    SCRIPT: ("<script>alert(1)</script>", '<img src=x onerror="alert(2)">'),
    ARABIC: ("ليلة القمر", "فرقة النجوم"),
    "008": ('" onmouseover="alert(3)', "{{ 7 * 7 }} & Söhne"),
}
VERDICTS = [
    {
        "rule": "tracks",
        "passed": True,
        "value": 30.0,
        "threshold": 2.0,
        "meaning": "some are there",
    },
    {"rule": "rows_kept", "passed": True, "value": 30.0, "threshold": None, "meaning": "none left"},
]
MODELS = [
    {"model": "popularity", "ndcg@10": 0.1, "coverage": 0.4},
    {
        "model": "als", "ndcg@10": 0.5, "coverage": 1.0,
        "over_popularity": {"ndcg@10": {"difference": 0.4, "low": 0.3, "high": 0.5}},
    },
]  # fmt: skip


def name_track(track_id):
    """Title and artist; no two in a row have one artist."""
    number = int(track_id)
    return HOSTILE.get(track_id, (f"Song {number}", f"Artist {number % 15}"))


def make_features(number):
    rng = np.random.default_rng(number)
    return dict(zip(FEATURE_NAMES, rng.uniform(0.1, 0.9, len(FEATURE_NAMES)), strict=True))


def store_tracks(database, audio_dir):
    database["tracks"].insert_many(
        {
            "_id": track_id,
            "metadata": {
                "title": name_track(track_id)[0],
                "artist_name": name_track(track_id)[1],
                "top_genre_title": "Made",
                "duration_seconds": float(SECONDS),
                "audio_path": f"{track_id}.wav",
            },
            "features": list(make_features(number).values()),
        }
        for number, track_id in enumerate(TRACKS)
    )
    moments = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE
    for number, track_id in enumerate(TRACKS):
        tone = 0.2 * np.sin(2 * np.pi * (220 + 20 * number) * moments)
        soundfile.write(audio_dir / f"{track_id}.wav", tone, SAMPLE_RATE)


def list_items(place, count, reason):
    """The tracks that follow `place`, round and round."""
    chosen = [TRACKS[(place + step) % COUNT] for step in range(count)]
    return [
        {"track_id": one, "score": 1 - rank / 100, "cluster": int(one) % 3, "reason": reason,
         "because": None}
        for rank, one in enumerate(chosen)
    ]  # fmt: skip


def make_rows(listeners):
    """The neighbours of a track are those after it; `listeners` says where their lists begin."""
    similar = [
        {
            "_id": f"{VERSION}/{own}",
            "version": VERSION,
            "track_id": own,
            "cluster": place % 3,
            "similar": list_items(place + 1, NEIGHBOURS, "close in timbre"),
        }
        for place, own in enumerate(TRACKS)
    ]
    lists = [
        {
            "_id": f"{VERSION}/{user_id}",
            "version": VERSION,
            "user_id": user_id,
            "basis": "taste",
            "items": list_items(start, LISTED, "popular with other listeners"),
        }
        for user_id, start in sorted({"": 4, **listeners}.items())
    ]
    return {"similar_tracks": similar, "for_you": lists}


def make_clustering():
    swept = [
        {"k": k, "distortion": 1000 / k, "silhouette": 0.2 + 0.1 * (k == 3), "stability": 0.8}
        for k in range(2, 8)
    ]
    chosen = {"k": 3, "knee": 3, "reason": "the knee of the distortion"}
    return {"chosen": chosen, "clusterings": swept, "explained_variance": [0.3, 0.2]}


def write_projection(models_dir):
    folder = models_dir / VERSION / "clusters"
    folder.mkdir(parents=True)
    places = np.arange(COUNT)
    pd.DataFrame(
        {
            "track_id": TRACKS,
            "cluster": pd.array(places % 3, dtype="Int32"),
            "component_1": np.cos(places * 2.4) * places,
            "component_2": np.sin(places * 2.4) * places,
            "component_3": 0.0,
        }
    ).to_parquet(folder / "projection.parquet")


def publish_library(database, audio_dir, models_dir, listeners):
    audio_dir.mkdir()
    ensure_collections(database)
    database.drop_collection("tracks")  # with the validator: these tracks are barer than it wants
    store_tracks(database, audio_dir)
    write_projection(models_dir)
    candidate = {"data_date": VERSION[:10], "run_id": "run-1", "state": "checked", "inputs": {}}
    open_candidate(database, VERSION, candidate)
    tables = {
        name: write_table(database, name, VERSION, rows)
        for name, rows in make_rows(listeners).items()
    }
    facts = {
        "tables": tables,
        "audio_dir": str(audio_dir),
        "verdicts": VERDICTS,
        "clustering": make_clustering(),
        "ranking": {"split": "8:1:1 by listener", "judged": 20, "models": MODELS},
    }
    note_version(database, VERSION, facts)
    assert publish(database.client, database.name, VERSION)
