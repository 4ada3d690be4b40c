"""How a track sounds: its features as plots with what they mean, and as numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from nocturne.web.models import FeatureSeries
from nocturne.web.pages.charts import BarChart, Wheel, draw_bars, draw_wheel

PITCHES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
BANDS = ("≤ 200 Hz", "≤ 400", "≤ 800", "≤ 1.6 k", "≤ 3.2 k", "≤ 6.4 k", "above")
INTERVALS = ("fifth, x", "fifth, y", "minor 3rd, x", "minor 3rd, y", "major 3rd, x", "major 3rd, y")


@dataclass(frozen=True)
class Plot:
    """`name` is the field's term, `meaning` a caption for whoever does not know it."""

    name: str
    title: str
    meaning: str
    bars: BarChart | None = None
    wheel: Wheel | None = None


@dataclass(frozen=True)
class Figure:
    """A feature that is one number."""

    name: str
    title: str
    value: str


def plot_features(features: Sequence[FeatureSeries]) -> list[Plot]:
    """The plots of those features that are there."""
    by_name = {one.name: one for one in features}
    draw = {
        "chroma_cqt": plot_chroma,
        "mfcc": plot_mfcc,
        "spectral_contrast": plot_contrast,
        "tonnetz": plot_tonnetz,
    }
    return [plot(by_name[name]) for name, plot in draw.items() if name in by_name]


def plot_chroma(chroma: FeatureSeries) -> Plot:
    return Plot(
        chroma.name,
        "Harmony",
        "How much of each pitch sounds, on average, whatever its octave (0 to 1).",
        wheel=draw_wheel(PITCHES, chroma.mean),
    )


def plot_mfcc(mfcc: FeatureSeries) -> Plot:
    """Without the first coefficient: it is loudness, and dwarfs the others."""
    labels = [str(number) for number in range(2, len(mfcc.mean) + 1)]
    return Plot(
        mfcc.name,
        "Timbre",
        "The spectrum's coarse shape: what tells a flute from a guitar at the same pitch."
        f" Coefficients 2 to {len(mfcc.mean)}; the first one, loudness, is {mfcc.mean[0]:.0f}.",
        bars=draw_bars(labels, mfcc.mean[1:], mfcc.std[1:]),
    )


def plot_contrast(contrast: FeatureSeries) -> Plot:
    return Plot(
        contrast.name,
        "Clarity",
        "Peaks above valleys in each octave band, in dB: tones stand out, noise does not.",
        bars=draw_bars(BANDS, contrast.mean, contrast.std),
    )


def plot_tonnetz(tonnetz: FeatureSeries) -> Plot:
    return Plot(
        tonnetz.name,
        "Chords",
        "Where the harmony lies among fifths and thirds; far from zero, it rests on one chord.",
        bars=draw_bars(INTERVALS, tonnetz.mean, tonnetz.std),
    )


def list_figures(features: Sequence[FeatureSeries]) -> list[Figure]:
    titles = {
        "spectral_centroid": ("Brightness", "{:,.0f} Hz ± {:,.0f}"),
        "spectral_bandwidth": ("Width of the spectrum", "{:,.0f} Hz ± {:,.0f}"),
        "spectral_rolloff": ("85 % of the energy below", "{:,.0f} Hz ± {:,.0f}"),
        "rmse": ("Loudness (RMS)", "{:.3f} ± {:.3f}"),
        "zcr": ("Noisiness (zero crossings)", "{:.3f} ± {:.3f}"),
    }
    by_name = {one.name: one for one in features}
    return [
        Figure(name, title, shape.format(by_name[name].mean[0], by_name[name].std[0]))
        for name, (title, shape) in titles.items()
        if name in by_name
    ]
