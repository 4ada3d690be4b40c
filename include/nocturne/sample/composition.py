"""A track's score, drawn from its genre, its artist's habits and its own seed."""

from dataclasses import dataclass

import numpy as np

from nocturne.sample.genres import GENRES, QUALITIES, Chord, Genre

SAMPLE_VERSION = 1  # raise it when anything audible or written changes: old samples are rebuilt
SONG_SECONDS = 12.0  # two to nine bars: enough for tempo and harmony, quick to analyse
ARTISTS_PER_GENRE = 4

# Second keys of the seeds; a track's is its number, so these lie far above any of them.
ARTIST_STREAM = 10_000
LISTENER_STREAM = 20_000
LIBRARY_STREAM = 30_000

ACCENT_GAIN = 1.0
SOFT_GAIN = 0.45  # -7 dB: a ghost note


@dataclass(frozen=True)
class Habits:
    """What an artist's tracks share; numbers from 0 to 1, but `key` in semitones."""

    tempo: float
    brightness: float
    space: float
    colour: float
    groove: float
    key: int


@dataclass(frozen=True)
class Song:
    """The score of one track; `brightness`, `space` and `colour` lie between 0 and 1."""

    genre: Genre
    tempo_bpm: float
    root_midi: int
    chords: tuple[Chord, ...]
    groove: int
    brightness: float
    space: float
    colour: float
    rng: np.random.Generator

    @property
    def step_seconds(self) -> float:
        return 60 / self.tempo_bpm / self.genre.steps_per_beat

    @property
    def bar_seconds(self) -> float:
        return 60 / self.tempo_bpm * self.genre.beats_per_bar

    @property
    def bars(self) -> int:
        """Bars begun within the track; the last one may be cut."""
        return int(np.ceil(SONG_SECONDS / self.bar_seconds))

    def chord_at(self, seconds: float) -> Chord:
        """MIDI notes of the chord that sounds at `seconds`."""
        bar = int(seconds / self.bar_seconds + 1e-6)  # a bar's own start rounds down otherwise
        chord = self.chords[bar % len(self.chords)]
        return tuple(self.root_midi + semitones for semitones in chord)


def random_stream(*path: int) -> np.random.Generator:
    """The random numbers that belong to one thing of the sample, independent of all others."""
    seed = np.random.SeedSequence([SAMPLE_VERSION, *path])
    return np.random.Generator(np.random.PCG64(seed))


def draw_habits(genre: int, artist: int) -> Habits:
    """An artist's habits; groove and brightness are spread so that artists of a genre differ.

    Keys stay within half an octave, as an instrument's or a voice's do: chroma then tells
    something about the genre, too.
    """
    rng = random_stream(genre, ARTIST_STREAM + artist)
    spread = (artist + rng.random()) / ARTISTS_PER_GENRE
    tempo, space, colour = rng.random(3)
    return Habits(
        tempo, spread, space, colour, (artist + 0.5) / ARTISTS_PER_GENRE, int(rng.integers(6))
    )


def draw_song(genre: int, take: int) -> Song:
    """The score of track number `take` of a genre; artists take turns."""
    rules, rng = GENRES[genre], random_stream(genre, take)
    habits = draw_habits(genre, take % ARTISTS_PER_GENRE)
    slowest, fastest = rules.tempo_bpm
    progression = rules.progressions[int(rng.integers(len(rules.progressions)))]
    return Song(
        genre=rules,
        tempo_bpm=slowest + (fastest - slowest) * _vary(habits.tempo, rng),
        root_midi=rules.lowest_root_midi + (habits.key + int(rng.choice((0, 2, 5, 7)))) % 12,
        chords=tuple(tuple(root + s for s in QUALITIES[kind]) for root, kind in progression),
        groove=int(habits.groove * len(rules.grooves)),
        brightness=_vary(habits.brightness, rng),
        space=_vary(habits.space, rng),
        colour=_vary(habits.colour, rng),
        rng=rng,
    )


def _vary(habit: float, rng: np.random.Generator) -> float:
    """A number from 0 to 1 that lies at most 0.15 from the artist's habit."""
    return float(np.clip(habit + rng.uniform(-0.15, 0.15), 0.0, 1.0))


def hit_times(song: Song, part: str) -> list[tuple[float, float]]:
    """Times in seconds and gains of a part's hits throughout the track."""
    steps = song.genre.grooves[song.groove][part].replace(" ", "")
    gains = {"x": ACCENT_GAIN, "o": SOFT_GAIN}
    return [
        (bar * song.bar_seconds + step * song.step_seconds, gains[mark])
        for bar in range(song.bars)
        for step, mark in enumerate(steps)
        if mark in gains and bar * song.bar_seconds + step * song.step_seconds < SONG_SECONDS
    ]


def draw_melody(song: Song, notes: int, octave: int) -> list[int]:
    """MIDI notes of a random walk on the scale, `octave` octaves above the key.

    Steps of a second are three times as likely as leaps, and the walk turns back a fifth or so
    past an octave's ends, as sung tunes do.
    """
    scale, degree, walk = song.genre.scale, 2, []
    for step in song.rng.choice((-3, -2, -1, -1, -1, 0, 1, 1, 1, 2, 3), notes):
        degree += int(step) if -2 <= degree + step <= len(scale) + 3 else -int(step)
        octaves, place = divmod(degree, len(scale))
        walk.append(song.root_midi + 12 * (octave + octaves) + scale[place])
    return walk
