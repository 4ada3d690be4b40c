"""The space in which tracks are compared: how they sound, and what genres say about it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from nocturne.errors import BadInput
from nocturne.models.unskew import to_normal
from nocturne.recommend.exact import count_cores
from nocturne.recommend.genre_map import GenreMap, fit_genre_map

Document = dict[str, Any]
Matrix = NDArray[np.float64]
Vectors = NDArray[np.float32]
PLAIN, LEARNED = "plain", "learned"
METRICS = (PLAIN, LEARNED)
DIMS = 64
# A quantile of so many tracks is within .4 % of its place in all of them.
FITTED_TRACKS = 20_000
# More do not change neighbours.
KNOTS = 256
# Half-whitening: between 0, where a few loud directions decide, and 1/2, where noise does. Genre
# precision@10 of all pairs on GTZAN: 0 gives .558, 1/4 .577, 1/2 .466.
WHITENING_POWER = 0.25
# Directions with less than this share of the largest variance are rounding errors.
LEAST_VARIANCE = 1e-9
# Of a squared length, what the genres' directions have: 5-fold genre precision@10 on GTZAN is .709
# with .4, .722 with .6 and .726 with 1. The rest keeps tracks of one genre apart.
GENRE_SHARE = 0.6
TRACKS_AT_A_TIME = 4096


@dataclass(frozen=True)
class PlainMap:
    """Each column made normal by its ranks, then half-whitened principal components.

    `knots` are (columns, KNOTS) quantiles, `mean` is (columns,), `axes` (columns, dims).
    """

    knots: Matrix
    mean: Matrix
    axes: Matrix

    def transform(self, features: Matrix) -> Matrix:
        """(tracks, dims), the direction of the largest variance first."""
        mapped = np.empty((len(features), self.axes.shape[1]))

        def transform_from(start: int) -> None:
            chunk = slice(start, start + TRACKS_AT_A_TIME)
            mapped[chunk] = (make_normal(features[chunk], self.knots) - self.mean) @ self.axes

        with ThreadPoolExecutor(count_cores()) as pool:
            list(pool.map(transform_from, range(0, len(features), TRACKS_AT_A_TIME)))
        return mapped


@dataclass(frozen=True)
class TrackSpace:
    """A fitted space; `description` says which metric it has and, if that is not the one that was
    asked for, why.
    """

    plain: PlainMap
    genres: GenreMap | None
    description: Document

    def transform(self, features: Matrix) -> Vectors:
        """Rows of unit length, (tracks, at most DIMS); zeros for a track about which there is
        nothing to say.
        """
        require_finite(features)
        with threadpool_limits(1):
            plain = self.plain.transform(features)
            if self.genres is None:
                return make_unit(plain).astype(np.float32)
            near_genres = make_unit(self.genres.transform(plain)) * GENRE_SHARE**0.5
            rest = make_unit(plain[:, : DIMS - near_genres.shape[1]]) * (1 - GENRE_SHARE) ** 0.5
        return make_unit(np.hstack([near_genres, rest])).astype(np.float32)


def embed_tracks(
    features: Matrix, genres: list[str | None], metric: str
) -> tuple[Vectors, Document]:
    """A vector for each track, see TrackSpace, and the description of the space."""
    space = fit_space(features, genres, metric)
    return space.transform(features), space.description


def fit_space(features: Matrix, genres: list[str | None], metric: str) -> TrackSpace:
    """The space of these tracks: `features` is (tracks, columns), in the order of track ids.

    "plain" looks at no genre. "learned" adds the directions that tell genres apart, unless there
    are too few labelled tracks. Matrices are multiplied on one thread each, because several would
    add in an order of their own. Raises BadInput for an unknown metric, for no tracks, for genres
    of other tracks and for values that are not finite.
    """
    if metric not in METRICS:
        raise BadInput(f"There is no metric {metric!r}; there are: {', '.join(METRICS)}.")
    if not len(features) or len(genres) != len(features):
        raise BadInput(
            f"A space takes tracks and a genre or None for each, not {len(features)} tracks and"
            f" {len(genres)} genres."
        )
    require_finite(features)
    with threadpool_limits(1):
        plain = fit_plain(features[take_evenly(np.arange(len(features)))])
        description: Document = {"metric": metric, "columns": features.shape[1]}
        if metric == PLAIN:
            return TrackSpace(plain, None, {**description, "dims": plain.axes.shape[1]})
        labelled = take_evenly(np.flatnonzero([genre is not None for genre in genres]))
        mapped = plain.transform(features[labelled])
        found = fit_genre_map(mapped, [str(genres[row]) for row in labelled])
    if isinstance(found, str):
        fallback = {"metric": PLAIN, "asked": LEARNED, "because": found}
        return TrackSpace(plain, None, {**description, **fallback, "dims": plain.axes.shape[1]})
    dims = min(DIMS, plain.axes.shape[1] + found.axes.shape[1])
    learned = {"dims": dims, "genres": list(found.genres), "labelled_tracks": found.tracks}
    return TrackSpace(plain, found, {**description, **learned})


def fit_plain(features: Matrix) -> PlainMap:
    """Each column by the normal quantiles of its ranks, then principal components over the fourth
    root of their variance.
    """
    places = np.linspace(0, 1, min(KNOTS, len(features)))
    knots = np.quantile(features, places, axis=0).T
    normal = make_normal(features, knots)
    mean = normal.mean(axis=0)
    variances, axes = np.linalg.eigh((normal - mean).T @ (normal - mean) / len(features))
    variances, axes = variances[::-1][:DIMS], fix_signs(axes[:, ::-1][:, :DIMS])
    kept = max(1, int((variances > LEAST_VARIANCE * max(variances[0], LEAST_VARIANCE)).sum()))
    scales = np.maximum(variances[:kept], LEAST_VARIANCE) ** WHITENING_POWER
    return PlainMap(knots, mean, axes[:, :kept] / scales)


def make_normal(features: Matrix, knots: Matrix) -> Matrix:
    normal = np.empty(features.shape)
    for place, column in enumerate(features.T):
        normal[:, place] = to_normal(column, tuple(knots[place].tolist()))
    return normal


def fix_signs(axes: Matrix) -> Matrix:
    """The largest entry of each column positive: an eigenvector's sign means nothing."""
    largest = np.abs(axes).argmax(axis=0)
    return axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1.0, 1.0)


def take_evenly(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """At most FITTED_TRACKS of the rows."""
    if len(rows) <= FITTED_TRACKS:
        return rows
    places = np.linspace(0, len(rows) - 1, FITTED_TRACKS).round().astype(np.intp)
    return rows[places]


def make_unit(rows: Matrix) -> Matrix:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Matrix = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return unit


def require_finite(features: Matrix) -> None:
    wrong = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(wrong):
        raise BadInput(
            f"{len(wrong)} of {len(features)} tracks have features that are not finite, the first"
            f" in row {wrong[0]}. Leave these tracks out."
        )
