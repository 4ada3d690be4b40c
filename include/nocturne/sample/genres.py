"""The six genres as data: tempo, metre, harmony and groove.

A pattern is one bar of steps: `x` an accent, `o` a soft hit, `.` a rest; blanks part the beats.
A chord is its root and quality, the root in semitones above the key; a bar has one chord.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Chord = tuple[int, ...]

MAJOR = (0, 2, 4, 5, 7, 9, 11)
MINOR = (0, 2, 3, 5, 7, 8, 10)
DORIAN = (0, 2, 3, 5, 7, 9, 10)
LYDIAN = (0, 2, 4, 6, 7, 9, 11)
BLUES = (0, 3, 5, 6, 7, 10)

QUALITIES: Mapping[str, Chord] = {
    "major": (0, 4, 7),
    "minor": (0, 3, 7),
    "seventh": (0, 4, 7, 10),
    "major7": (0, 4, 7, 11),
    "minor7": (0, 3, 7, 10),
    "minor9": (0, 3, 7, 10, 14),
    "add9": (0, 4, 7, 14),
    "fifth": (0, 7, 12),
}


@dataclass(frozen=True)
class Genre:
    """`lowest_root_midi` is the lowest key; a track's key lies up to an octave above it."""

    name: str
    subgenre: str
    tempo_bpm: tuple[float, float]
    beats_per_bar: int
    steps_per_beat: int
    lowest_root_midi: int
    scale: tuple[int, ...]
    progressions: tuple[tuple[tuple[int, str], ...], ...]
    grooves: tuple[Mapping[str, str], ...] = field(default=({},))


AMBIENT = Genre(
    name="Ambient",
    subgenre="Drone",
    tempo_bpm=(58, 70),
    beats_per_bar=4,
    steps_per_beat=1,
    lowest_root_midi=43,
    scale=LYDIAN,
    progressions=(
        ((0, "major7"), (2, "add9"), (9, "minor9"), (0, "add9")),
        ((0, "add9"), (7, "major7"), (2, "major"), (4, "minor7")),
        ((9, "minor9"), (0, "major7"), (7, "add9"), (2, "add9")),
    ),
)

HOUSE = Genre(
    name="House",
    subgenre="Deep House",
    tempo_bpm=(119, 127),
    beats_per_bar=4,
    steps_per_beat=4,
    lowest_root_midi=45,
    scale=DORIAN,
    progressions=(
        ((0, "minor9"), (5, "seventh"), (0, "minor9"), (10, "major7")),
        ((0, "minor7"), (3, "major7"), (5, "minor7"), (7, "minor7")),
        ((8, "major7"), (10, "major"), (0, "minor9"), (0, "minor7")),
    ),
    grooves=(
        {
            "kick": "x... x... x... x...",
            "clap": ".... x... .... x...",
            "hat": "..x. ..x. ..x. ..x.",
            "stab": "x..x ..x. ..x. ....",
            "bass": "..x. ..xo ..x. ..xx",
        },
        {
            "kick": "x... x... x... x..o",
            "clap": ".... x... .... x..o",
            "hat": "o.xo o.xo o.xo o.xo",
            "stab": "..x. ..x. .x.. x...",
            "bass": ".xx. .xx. .xx. .xo.",
        },
    ),
)

DRUM_AND_BASS = Genre(
    name="Drum and Bass",
    subgenre="Liquid Funk",
    tempo_bpm=(170, 178),
    beats_per_bar=4,
    steps_per_beat=4,
    lowest_root_midi=29,
    scale=MINOR,
    progressions=(
        ((0, "minor"), (0, "minor"), (8, "major"), (10, "major")),
        ((0, "minor7"), (3, "major"), (0, "minor7"), (5, "minor")),
        ((0, "minor"), (1, "major"), (0, "minor"), (10, "major")),
    ),
    grooves=(
        {
            "kick": "x... .... ..x. ....",
            "snare": ".... x..o .o.. x..o",
            "hat": "x.o. x.o. x.o. x.o.",
            "bass": "x... ..x. ...x ..x.",
        },
        {
            "kick": "x.x. .... ..xx ....",
            "snare": ".... x..o .o.o x.oo",
            "hat": "x.x. xoxo x.x. xoxo",
            "bass": "x..x ..x. .... x.x.",
        },
    ),
)

FOLK_WALTZ = Genre(
    name="Folk Waltz",
    subgenre="Musette",
    tempo_bpm=(138, 168),
    beats_per_bar=3,
    steps_per_beat=2,
    lowest_root_midi=48,
    scale=MAJOR,
    progressions=(
        ((0, "major"), (0, "major"), (7, "seventh"), (7, "seventh"), (5, "major"), (0, "major")),
        ((0, "major"), (9, "minor"), (5, "major"), (7, "seventh")),
        ((0, "major"), (5, "major"), (0, "major"), (7, "seventh"), (9, "minor"), (7, "major")),
    ),
    grooves=(
        {"bass": "x. .. ..", "strum": ".. x. x.", "lead": "x. x. x."},
        {"bass": "x. .. ..", "strum": ".. x. xo", "lead": "x. .x x."},
        {"bass": "x. .. .o", "strum": ".. x. x.", "lead": "x. .. xx"},
    ),
)

BLUES_ROCK = Genre(
    name="Blues Rock",
    subgenre="Boogie",
    tempo_bpm=(92, 112),
    beats_per_bar=4,
    steps_per_beat=3,  # triplets: the shuffle
    lowest_root_midi=40,
    scale=BLUES,
    progressions=(
        ((0, "fifth"), (5, "fifth"), (0, "fifth"), (7, "fifth"), (5, "fifth"), (0, "fifth")),
        ((0, "fifth"), (0, "fifth"), (5, "fifth"), (0, "fifth"), (7, "fifth"), (0, "fifth")),
    ),
    grooves=(
        {
            "kick": "x.. ..o x.. ..o",
            "snare": "... x.. ... x..",
            "ride": "x.o x.o x.o x.o",
            "chug": "x.x x.x x.x x.x",
            "lead": "... x.x x.. x..",
        },
        {
            "kick": "x.. ... x.x ...",
            "snare": "... x.. ... x.o",
            "ride": "x.. x.o x.. x.o",
            "chug": "x.. x.x x.. x.x",
            "lead": "x.x ..x .x. x..",
        },
    ),
)

CHIPTUNE = Genre(
    name="Chiptune",
    subgenre="Bitpop",
    tempo_bpm=(140, 160),
    beats_per_bar=4,
    steps_per_beat=4,
    lowest_root_midi=60,
    scale=MAJOR,
    progressions=(
        ((0, "major"), (7, "major"), (9, "minor"), (5, "major")),
        ((5, "major"), (7, "major"), (4, "minor"), (9, "minor")),
        ((9, "minor"), (5, "major"), (0, "major"), (7, "major")),
    ),
    grooves=(
        {
            "kick": "x... .... x.x. ....",
            "snare": ".... x... .... x...",
            "hat": "x.x. x.x. x.x. x.x.",
            "bass": "x.x. x.x. x.x. x.x.",
            "lead": "x..x ..x. x.x. x...",
        },
        {
            "kick": "x... x... x... x...",
            "snare": ".... x..o .... x.o.",
            "hat": "..x. ..x. ..x. ..x.",
            "bass": "x..x ..x. x..x ..x.",
            "lead": "x.x. x.xx ..x. x.x.",
        },
    ),
)

GENRES = (AMBIENT, HOUSE, DRUM_AND_BASS, FOLK_WALTZ, BLUES_ROCK, CHIPTUNE)
