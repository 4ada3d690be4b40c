"""Tones, envelopes, filters and effects: float64 signals at SAMPLE_RATE, silence is 0.

All arithmetic is float64 and all noise uniform, so that another machine's last-digit rounding
stays far below one step of the 16 bits that are written.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import signal as dsp

Signal = npt.NDArray[np.float64]

SAMPLE_RATE = 22050  # Hz; the rate that features are extracted at, so nothing is resampled
NYQUIST_HZ = SAMPLE_RATE / 2
CHIP_LEVELS = 8  # the 4-bit volume of a 1980s sound chip, one bit of it the sign


def time_axis(seconds: float) -> Signal:
    return np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE


def midi_to_hz(midi: float) -> float:
    """Frequency of a MIDI note number: 69 is A4, 440 Hz, equal temperament."""
    return float(440.0 * 2.0 ** ((midi - 69) / 12))


def white_noise(seconds: float, rng: np.random.Generator) -> Signal:
    return rng.uniform(-1.0, 1.0, round(seconds * SAMPLE_RATE))


def roll_off(partials: int, exponent: float) -> Signal:
    """Amplitudes n^-exponent of the partials 1…n: 1 is a sawtooth, 2 is nearly a flute."""
    amplitudes: Signal = np.arange(1, partials + 1, dtype=np.float64) ** -exponent
    return amplitudes


def harmonic_tone(frequency_hz: float, seconds: float, amplitudes: Signal) -> Signal:
    """Additive synthesis: a sum of sines; partials above the Nyquist frequency are left out."""
    orders = np.arange(1, amplitudes.size + 1)
    audible = orders * frequency_hz < NYQUIST_HZ
    phase = 2 * np.pi * frequency_hz * time_axis(seconds)
    partials = amplitudes[audible, None] * np.sin(orders[audible, None] * phase)
    tone: Signal = partials.sum(axis=0)
    tone /= amplitudes.sum()
    return tone


def detuned_tone(
    frequency_hz: float, seconds: float, amplitudes: Signal, detune_cents: Sequence[float]
) -> Signal:
    """Several harmonic tones a few cents apart: an ensemble that beats slowly."""
    voices = [
        harmonic_tone(frequency_hz * 2 ** (cents / 1200), seconds, amplitudes)
        for cents in detune_cents
    ]
    ensemble: Signal = np.mean(voices, axis=0)
    return ensemble


def fm_tone(frequency_hz: float, seconds: float, ratio: float, index: Signal | float) -> Signal:
    """Frequency modulation by a sine of `ratio` times the carrier (Chowning 1973).

    `index` is the modulation index in radians, constant or one value a sample.
    """
    phase = 2 * np.pi * frequency_hz * time_axis(seconds)
    tone: Signal = np.sin(phase + index * np.sin(ratio * phase))
    return tone


def pulse_tone(frequency_hz: float, seconds: float, duty: float) -> Signal:
    """A naive pulse wave, aliasing like the chips it imitates; free of direct current."""
    phase = (frequency_hz * time_axis(seconds)) % 1.0
    return np.where(phase < duty, 1.0 - duty, -duty)


def triangle_tone(frequency_hz: float, seconds: float) -> Signal:
    """A triangle wave in steps of a chip's volume."""
    phase = (frequency_hz * time_axis(seconds)) % 1.0
    return np.round((4 * np.abs(phase - 0.5) - 1) * CHIP_LEVELS) / CHIP_LEVELS


def plucked_string(
    frequency_hz: float, seconds: float, loss: float, rng: np.random.Generator
) -> Signal:
    """A string by Karplus and Strong (1983), tuned by linear interpolation of the loop's delay.

    `loss` is the share of the amplitude that each trip round the loop takes, on top of the
    loop's own low-pass filter.
    """
    period = SAMPLE_RATE / frequency_hz - 0.5  # the averaging filter delays by half a sample
    delay, fraction = int(period), period % 1.0
    loop = np.convolve([0.5, 0.5], [1 - fraction, fraction]) * (1 - loss)
    feedback = np.concatenate([[1.0], np.zeros(delay - 1), -loop])
    excitation = np.zeros(round(seconds * SAMPLE_RATE))
    excitation[:delay] = rng.uniform(-1.0, 1.0, delay)[: excitation.size]
    string: Signal = dsp.lfilter([1.0], feedback, excitation)
    return string * fade(string.size, 0.0, 0.02)


def fade(size: int, rise_seconds: float, fall_seconds: float) -> Signal:
    """A gain curve that rises from 0 to 1 and falls back to 0 at the end, along half cosines."""
    rise = min(round(rise_seconds * SAMPLE_RATE), size)
    fall = min(round(fall_seconds * SAMPLE_RATE), size)
    gain = np.ones(size)
    gain[:rise] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / max(rise, 1))
    gain[size - fall :] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fall + 1) / max(fall, 1))
    return gain


def decay(size: int, half_life_seconds: float) -> Signal:
    """A gain curve that halves every `half_life_seconds`."""
    return 0.5 ** (np.arange(size) / (SAMPLE_RATE * half_life_seconds))


def low_pass(signal: Signal, cutoff_hz: float) -> Signal:
    return _filter(signal, cutoff_hz, "lowpass")


def high_pass(signal: Signal, cutoff_hz: float) -> Signal:
    return _filter(signal, cutoff_hz, "highpass")


def _filter(signal: Signal, cutoff_hz: float, kind: str) -> Signal:
    """Second-order Butterworth: 12 dB an octave, as gentle as an analogue synthesiser's."""
    sections = dsp.butter(2, min(cutoff_hz, 0.95 * NYQUIST_HZ), kind, fs=SAMPLE_RATE, output="sos")
    filtered: Signal = dsp.sosfilt(sections, signal)
    return filtered


def overdrive(signal: Signal, gain: float) -> Signal:
    """Soft clipping by tanh, as a valve amplifier's; the result stays inside ±1."""
    distorted: Signal = np.tanh(gain * signal)
    return distorted


def add_reverb(
    signal: Signal, half_life_seconds: float, wet: float, rng: np.random.Generator
) -> Signal:
    """Convolve with decaying noise (Moorer 1979); `wet` is the share of reverberated sound."""
    tail_seconds = 8 * half_life_seconds  # -48 dB, below the rest of the mix
    room = low_pass(white_noise(tail_seconds, rng), 5000.0)
    room *= decay(room.size, half_life_seconds)
    room /= np.sqrt((room**2).sum())
    reverberated: Signal = dsp.fftconvolve(signal, room)[: signal.size]
    return (1 - wet) * signal + wet * reverberated


def place(canvas: Signal, sound: Signal, at_seconds: float, gain: float = 1.0) -> None:
    """Add `sound` to `canvas` in place; what hangs over the end is cut."""
    start = round(at_seconds * SAMPLE_RATE)
    heard = sound[: max(0, canvas.size - start)]
    canvas[start : start + heard.size] += gain * heard


def set_peak(signal: Signal, peak_db: float) -> Signal:
    """Scale so that the largest absolute sample lies at `peak_db` below full scale."""
    scaled: Signal = signal * (10 ** (peak_db / 20) / np.abs(signal).max())
    return scaled
