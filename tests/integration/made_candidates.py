"""A small library with listeners in MongoDB, and a version of it as a night makes one."""

import json
from datetime import timedelta

import numpy as np
import pandas as pd
from bson.int64 import Int64

from nocturne.models.taste import Taste, list_names, write_taste
from nocturne.nights import night_of, parse_day
from nocturne.recommend.candidates import ModelFolder, Recipe, plan_candidate
from nocturne.recommend.tables import build_tables
from nocturne.store.collections import ensure_collections

NIGHT = night_of(parse_day("2026-11-19"))
FEATURE_SET = "fma518-v1-22050"
RECIPE = Recipe(
    FEATURE_SET, k_min=2, k_max=10, max_cluster_share=0.5, min_stability=0.4, neighbours=3,
    metric="plain", list_length=5, recent_days=7,
)  # fmt: skip
IDS = [str(number) for number in range(1, 13)]
NEW = "13"
GROUP = {track_id: int(track_id) % 2 for track_id in [*IDS, NEW]}
"""Tracks of even numbers sound alike, and have their listeners; so do the others."""
LISTENERS = [f"listener-{number:02}" for number in range(14)]
GOOD_CLUSTERS = {"largest_share": 0.5, "stability": 0.9, "silhouette": 0.3}


def fill_library(database):
    """Twelve tracks, and listeners who played four of their group's six some time ago."""
    ensure_collections(database)
    random = np.random.default_rng(0)
    for offset, track_id in enumerate(IDS):
        features = random.normal(size=518) + 3 * GROUP[track_id]
        database["tracks"].insert_one(make_track(track_id, offset, features))
    for number, listener in enumerate(LISTENERS):
        liked = [track_id for track_id in IDS if GROUP[track_id] == number % 2]
        for track_id in random.permutation(liked)[:4]:
            play(database, listener, str(track_id), NIGHT.end - timedelta(days=10))


def make_track(track_id, offset, features):
    return {
        "_id": track_id,
        "metadata": {
            "title": f"Song {track_id}",
            "artist_name": f"Artist {int(track_id) % 5}",
            "top_genre_title": ["Rock", "Folk"][GROUP[track_id]],
            "listens": int(track_id),
        },
        "features": features.tolist(),
        "feature_set": FEATURE_SET,
        "audio_sha256": f"{int(track_id):064x}",
        "content_sha256": f"content of {track_id}",
        "run_id": "run-1",
        "source": {
            "as_of": NIGHT.end,
            "sent_at": NIGHT.end,
            "partition": offset % 2,
            "offset": Int64(offset),
            "topic": "tracks.features",
        },
    }


def play(database, user_id, track_id, at, action="listen"):
    source = {"topic": "user_activity", "partition": 0, "offset": Int64(0), "sent_at": at}
    database["listens"].insert_one(
        {
            "_id": f"{user_id}/{track_id}/{action}/{at.isoformat()}",
            "user_id": user_id,
            "track_id": track_id,
            "action": action,
            "at": at,
            "ms_played": 12000,
            "source": source,
        }
    )


def plan(database, models_dir, track_ids=IDS, night=NIGHT, recipe=RECIPE, **origin):
    origin = {"run_id": "run-1", "library": "sample", **origin}
    return plan_candidate(database, "tracks", set(track_ids), night, recipe, origin, models_dir)


def train(folder, final=GOOD_CLUSTERS):
    """What the Spark jobs write: clusters, if there are any, and taste, if anybody likes anything.

    The factors are those of the two groups.
    """
    folder.clusters.mkdir(exist_ok=True)
    tracks = pd.read_parquet(folder.tracks)["track_id"].tolist() if final else []
    clusters = pd.DataFrame({"track_id": tracks, "cluster": [GROUP[one] for one in tracks]})
    clusters.astype({"cluster": "int32"}).to_parquet(
        folder.clusters / "clusters.parquet", index=False
    )
    report = json.dumps({"chosen": {"k": 2 if final else None}, "final": final})
    (folder.clusters / "report.json").write_text(report, encoding="utf-8")
    ratings = pd.read_parquet(folder.ratings)
    if not (ratings["weight"] > 0).any():
        return
    folder.taste.mkdir(exist_ok=True)
    users, items = list_names(ratings)
    random = np.random.default_rng(1)
    factors = tuple(
        (np.eye(2)[groups] + random.normal(0, 0.1, (len(groups), 2))).astype(np.float32)
        for groups in ([int(user[-2:]) % 2 for user in users], [GROUP[item] for item in items])
    )
    report = {"chosen": {"rank": 2, "alpha": 1.0, "regularisation": 0.1}}
    write_taste(folder.taste, folder.ratings, Taste(users, items, factors, factors), report)


def build(database, models_dir, final=GOOD_CLUSTERS, **planned):
    """A version with its tables, and the folder of its models."""
    version = plan(database, models_dir, **planned)
    folder = ModelFolder(models_dir / version)
    train(folder, final)
    build_tables(database, "tracks", version, folder)
    return version, folder
