"""Tracks of the live version, as the API and the pages describe them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nocturne.audio.names import FEATURE_NAMES
from nocturne.catalogue.audio_files import AUDIO_SUFFIXES
from nocturne.errors import BadInput
from nocturne.recommend.library import find_genre
from nocturne.recommend.titles import Match, choose_match
from nocturne.recommend.titles import Track as Titled
from nocturne.store.versions import require_version
from nocturne.web.models import (
    Candidate,
    FeatureSeries,
    MatchedSong,
    Neighbour,
    SimilarTracks,
    Song,
    SongRecommendations,
    Track,
    TrackSummary,
)
from nocturne.web.site import Site

Document = dict[str, Any]
DECIMALS = 4
CANDIDATES = 5


def find_row(site: Site, version: str, track_id: str) -> Document:
    """The track's row of similar tracks. Raises BadInput if the version has none."""
    row = site.database["similar_tracks"].find_one({"_id": f"{version}/{track_id}"})
    if row is None:
        raise BadInput(f"Track {track_id} is not in the live version {version}.")
    return row


def find_metadata(site: Site, track_id: str, version: str) -> Document:
    found = site.published.catalogue.tracks.find_one({"_id": track_id})
    if found is None:
        raise BadInput(f"Track {track_id} of version {version} has left the library.")
    return found


def describe_track(site: Site, track_id: str) -> Track:
    version = site.published.live()
    row = find_row(site, version, track_id)
    document = find_metadata(site, track_id, version)
    metadata = document["metadata"]
    return Track(
        track_id=track_id,
        title=str(metadata["title"]),
        artist=str(metadata["artist_name"]),
        album=metadata.get("album_title"),
        genre=find_genre(metadata),
        duration_seconds=metadata.get("duration_seconds"),
        has_audio=locate_audio(site, version, metadata) is not None,
        version=version,
        cluster=row["cluster"],
        features=describe_features(document["features"]),
    )


def describe_features(values: Sequence[float]) -> list[FeatureSeries]:
    """Mean and standard deviation of each series, in FMA's order."""
    by_name = dict(zip(FEATURE_NAMES, values, strict=True))
    series: dict[str, dict[str, list[float]]] = {}
    for name, value in by_name.items():
        feature, statistic, _ = name.split(".")
        if statistic in ("mean", "std"):
            series.setdefault(feature, {}).setdefault(statistic, []).append(round(value, 6))
    return [
        FeatureSeries(name=name, mean=found["mean"], std=found["std"])
        for name, found in series.items()
    ]


def find_similar(site: Site, track_id: str, count: int) -> SimilarTracks:
    version = site.published.live()
    row = find_row(site, version, track_id)
    items = row["similar"][:count]
    names = site.published.find_names(version, [track_id, *(item["track_id"] for item in items)])
    return SimilarTracks(
        version=version,
        track=TrackSummary(track_id=track_id, **names[track_id]._asdict()),
        cluster=row["cluster"],
        similar=[describe_neighbour(item, names[item["track_id"]]._asdict()) for item in items],
    )


def describe_neighbour(item: Document, names: dict[str, str]) -> Neighbour:
    return Neighbour(
        track_id=item["track_id"],
        **names,
        score=item["score"],
        distance=round(1 - item["score"], DECIMALS),
        cluster=item["cluster"],
        reason=item["reason"],
    )


def find_audio(site: Site, track_id: str) -> Path:
    """Raises BadInput if the track's file is not in the live version's library."""
    version = site.published.live()
    find_row(site, version, track_id)
    metadata = find_metadata(site, track_id, version)["metadata"]
    path = locate_audio(site, version, metadata)
    if path is None:
        raise BadInput(f"The audio of track {track_id} is not in the library.")
    return path


def locate_audio(site: Site, version: str, metadata: Document) -> Path | None:
    """The file that the metadata name, if it is one of the library's folder; links out of it are
    not followed.
    """
    folder = require_version(site.database, version).get("audio_dir")
    name = metadata.get("audio_path")
    if not folder or not name or "\0" in name:
        return None
    root = Path(folder).resolve()
    path = (root / name).resolve()
    inside = path.is_relative_to(root) and path.suffix.lower() in AUDIO_SUFFIXES
    return path if inside and path.is_file() else None


def recommend_songs(site: Site, songs: Sequence[Song], count: int) -> SongRecommendations:
    version = site.published.live()
    matched = [match_song(site, song) for song in songs]
    seeds = [song.track.track_id for song in matched if song.track]
    return SongRecommendations(
        version=version, matched=matched, recommendations=merge_similar(site, version, seeds, count)
    )


def match_song(site: Site, song: Song) -> MatchedSong:
    artists = song.artists if isinstance(song.artists, list) else [song.artists or ""]
    found = site.titles.get().match(song.track_name, artists, CANDIDATES)
    chosen = choose_match(found)
    return MatchedSong(
        asked=song,
        track=chosen and TrackSummary(**summarise(chosen.track)),
        guessed=chosen is not None and not chosen.is_same,
        candidates=[] if chosen else [describe_candidate(match) for match in found],
    )


def summarise(track: Titled) -> dict[str, str]:
    return {"track_id": track.track_id, "title": track.title, "artist": track.artist}


def describe_candidate(match: Match) -> Candidate:
    return Candidate(**summarise(match.track), similarity=match.similarity)


def merge_similar(
    site: Site, version: str, track_ids: Sequence[str], count: int
) -> list[Neighbour]:
    """The published neighbours of several tracks, by the sum of their cosines; none of the tracks
    themselves, nor of their copies. Cluster and reason are those of the nearest pair.
    """
    found_rows = (find_row(site, version, track_id) for track_id in track_ids)
    rows = {row.get("copy_of", row["track_id"]): row for row in found_rows}
    items: dict[str, list[Document]] = {}
    for row in rows.values():
        for item in row["similar"]:
            if item["track_id"] not in rows:
                items.setdefault(item["track_id"], []).append(item)
    totals = {track_id: sum(one["score"] for one in found) for track_id, found in items.items()}
    ranked = sorted(totals, key=lambda track_id: (-totals[track_id], track_id))[:count]
    names = site.published.find_names(version, ranked)
    nearest = {one: max(items[one], key=lambda item: item["score"]) for one in ranked}
    return [describe_neighbour(nearest[one], names[one]._asdict()) for one in ranked]
