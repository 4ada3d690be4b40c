"""What of a file is analysed, as a picture."""

import warnings
from pathlib import Path
from typing import Any

import librosa
import numpy as np

from nocturne.audio.decode import Clip, decode
from nocturne.audio.names import Analysis
from nocturne.audio.reading import Samples

HOP_SAMPLES = 512
WIDTH_INCHES, HEIGHT_INCHES, DOTS_PER_INCH = 10, 11, 100
MOST_COLUMNS = 8 * WIDTH_INCHES * DOTS_PER_INCH // 10
"""More frames than a panel has dots for are averaged."""
MEL_TICKS_HZ = (256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
PITCHES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
LOUDNESS_RANGE_DB = 80
MFCC_COUNT = 20
BLUE = "#2a5d84"


def plot_file(file: Path, analysis: Analysis, picture: Path) -> None:
    """Draw waveform, mel spectrogram, chroma and MFCC of a file into one PNG.

    Raises UnusableAudio.
    """
    from matplotlib import rc_context  # loads fonts: only where something is drawn

    clip = decode(file, analysis)
    with rc_context({"font.size": 9, "axes.titlesize": 10, "axes.titlelocation": "left"}):
        draw(clip, file.name).savefig(picture, format="png", dpi=DOTS_PER_INCH)


def draw(clip: Clip, name: str) -> Any:
    """A matplotlib Figure of four panels over one axis of seconds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), layout="constrained")
    figure.suptitle(f"{name} · {clip.seconds:.1f} s at {clip.sample_rate} Hz", x=0.01, ha="left")
    panels = figure.subplots(4, 1, sharex=True, height_ratios=(2, 4, 3, 3))
    draw_waveform(panels[0], clip)
    decibels = mel_decibels(clip)
    draw_mel(figure, panels[1], decibels, clip)
    draw_chroma(figure, panels[2], clip)
    draw_mfcc(figure, panels[3], decibels, clip)
    panels[3].set_xlabel("seconds")
    return figure


def mel_decibels(clip: Clip) -> Samples:
    """Shape (128, frames); 0 dB is the loudest."""
    power = librosa.feature.melspectrogram(
        y=clip.samples, sr=clip.sample_rate, hop_length=HOP_SAMPLES
    )
    decibels: Samples = librosa.power_to_db(power, ref=np.max, top_db=LOUDNESS_RANGE_DB)
    return decibels


def draw_waveform(panel: Any, clip: Clip) -> None:
    """The range of the samples behind each dot; a line would hide what lies between."""
    stretch = max(1, len(clip.samples) // MOST_COLUMNS)
    whole = clip.samples[: len(clip.samples) // stretch * stretch].reshape(-1, stretch)
    seconds = np.arange(len(whole)) * stretch / clip.sample_rate
    panel.fill_between(seconds, whole.min(axis=1), whole.max(axis=1), color=BLUE, linewidth=0.4)
    loudest = float(np.abs(whole).max())
    panel.set(title="Waveform", ylabel="amplitude (full scale ±1)", ylim=(-loudest, loudest))
    panel.set_xlim(0, clip.seconds)


def draw_mel(figure: Any, panel: Any, decibels: Samples, clip: Clip) -> None:
    shown = show(panel, decibels, clip, "magma", (-LOUDNESS_RANGE_DB, 0))
    highest = librosa.hz_to_mel(clip.sample_rate / 2)
    ticks = [hertz for hertz in MEL_TICKS_HZ if hertz < clip.sample_rate / 2]
    panel.set_yticks(
        [librosa.hz_to_mel(hertz) / highest * len(decibels) for hertz in ticks],
        [str(hertz) for hertz in ticks],
    )
    panel.set(title="Mel spectrogram", ylabel="Hz (mel scale)")
    figure.colorbar(shown, ax=panel, label="dB below the loudest", pad=0.01)


def draw_chroma(figure: Any, panel: Any, clip: Clip) -> None:
    with warnings.catch_warnings():
        # Of clips without a pitch, or shorter than the window of a low note.
        warnings.simplefilter("ignore")
        chroma = librosa.feature.chroma_cqt(
            y=clip.samples, sr=clip.sample_rate, hop_length=HOP_SAMPLES
        )
    shown = show(panel, chroma, clip, "viridis", (0, 1))
    panel.set_yticks(np.arange(12) + 0.5, PITCHES)
    panel.set(title="Chroma (constant-Q)", ylabel="pitch class")
    figure.colorbar(shown, ax=panel, label="share of the strongest", pad=0.01)


def draw_mfcc(figure: Any, panel: Any, decibels: Samples, clip: Clip) -> None:
    """Each coefficient against its own mean and deviation: the first would outshine the rest."""
    mfcc = librosa.feature.mfcc(S=decibels, n_mfcc=MFCC_COUNT)
    deviation = mfcc.std(axis=1, keepdims=True)
    against_mean = (mfcc - mfcc.mean(axis=1, keepdims=True)) / np.maximum(deviation, 1e-6)
    shown = show(panel, against_mean, clip, "RdBu_r", (-3, 3))
    panel.set_yticks(np.arange(0, MFCC_COUNT, 4) + 0.5, [str(n) for n in range(1, MFCC_COUNT, 4)])
    panel.set(title="MFCC", ylabel="coefficient")
    figure.colorbar(shown, ax=panel, label="deviations from its mean", pad=0.01)


def show(panel: Any, values: Samples, clip: Clip, colours: str, limits: tuple[float, float]) -> Any:
    """Values of shape (rows, frames) as a picture, the first row below."""
    stretch = -(-values.shape[1] // MOST_COLUMNS)
    frames = values.shape[1] // stretch * stretch
    averaged = values[:, :frames].reshape(len(values), -1, stretch).mean(axis=2)
    return panel.imshow(
        averaged,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        extent=(0, clip.seconds, 0, len(values)),
    )
