"""Tracks: looking them up, what sounds like them, their audio."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse

from nocturne.web import library
from nocturne.web.context import TheSite, TrackId, check_id
from nocturne.web.files import send_file
from nocturne.web.models import (
    MOST_LISTED,
    Found,
    SimilarTracks,
    SongRecommendations,
    Songs,
    Track,
    TrackSummary,
)
from nocturne.web.problems import responses

router = APIRouter(tags=["tracks"])
Count = Annotated[int, Query(ge=1, le=MOST_LISTED, description="how many")]


@router.get("/search", responses=responses(404, 422, 429, 503))
def search(
    site: TheSite,
    q: Annotated[str, Query(max_length=200, description="the beginnings of words, or misspelt")],
    n: Count = 10,
) -> Found:
    """Tracks by title and artist, while they are typed."""
    found = site.titles.get().search(q, n)
    return Found(
        tracks=[
            TrackSummary(track_id=track.track_id, title=track.title, artist=track.artist)
            for track in found.tracks
        ],
        guessed=found.guessed,
    )


@router.get("/tracks/{track_id}", responses=responses(404, 422, 429, 503))
def read_track(site: TheSite, track_id: TrackId) -> Track:
    """A track of the live version."""
    return library.describe_track(site, check_id(track_id))


@router.get("/tracks/{track_id}/similar", responses=responses(404, 422, 429, 503))
def read_similar(site: TheSite, track_id: TrackId, n: Count = 10) -> SimilarTracks:
    """The nearest tracks in the live version, with their distances and why."""
    return library.find_similar(site, check_id(track_id), n)


@router.get(
    "/tracks/{track_id}/audio",
    response_class=FileResponse,
    responses=responses(404, 416, 422, 429, 503),
)
def read_audio(request: Request, site: TheSite, track_id: TrackId) -> Response:
    """The track's file as it is in the library; takes `Range`, `If-None-Match` and `HEAD`."""
    return send_file(request, library.find_audio(site, check_id(track_id)))


@router.post("/recommend_songs", responses=responses(400, 404, 413, 415, 422, 429, 503))
def recommend_songs(site: TheSite, songs: Songs, n: Count = 10) -> SongRecommendations:
    """Tracks like some songs, which may be misspelt; where it is unclear which track is meant,
    the candidates.
    """
    return library.recommend_songs(site, songs, n)
