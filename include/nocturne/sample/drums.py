"""One hit of each drum, at a peak near 1, synthesised from sines and filtered noise."""

import numpy as np

from nocturne.sample.synthesis import (
    SAMPLE_RATE,
    Signal,
    decay,
    fade,
    harmonic_tone,
    high_pass,
    low_pass,
    roll_off,
    time_axis,
    white_noise,
)


def kick(frequency_hz: float, half_life_seconds: float) -> Signal:
    """A sine that falls from five times `frequency_hz` to it within some 30 ms."""
    times = time_axis(8 * half_life_seconds)
    sweep_seconds = 0.012
    cycles = frequency_hz * (times + 4 * sweep_seconds * (1 - np.exp(-times / sweep_seconds)))
    beat: Signal = np.sin(2 * np.pi * cycles)
    return beat * decay(times.size, half_life_seconds)


def snare(tone_hz: float, half_life_seconds: float, rng: np.random.Generator) -> Signal:
    """Two thirds rattling noise, one third drumhead."""
    rattle = high_pass(white_noise(8 * half_life_seconds, rng), 1200.0)
    head = harmonic_tone(tone_hz, 8 * half_life_seconds, roll_off(2, 1.0))
    return (0.65 * rattle + 0.35 * head) * decay(rattle.size, half_life_seconds)


def clap(rng: np.random.Generator) -> Signal:
    """Three bursts 11 ms apart, then a tail: several hands that never quite agree."""
    noise = high_pass(low_pass(white_noise(0.25, rng), 4500.0), 800.0)
    gain = 0.6 * decay(noise.size, 0.03)
    for burst_seconds in (0.0, 0.011, 0.022):
        start = round(burst_seconds * SAMPLE_RATE)
        gain[start:] += decay(noise.size - start, 0.004)
    return noise * gain


def cymbal(cutoff_hz: float, half_life_seconds: float, rng: np.random.Generator) -> Signal:
    """High-passed noise: a closed hat when short, an open hat or a ride when long."""
    noise = high_pass(white_noise(6 * half_life_seconds, rng), cutoff_hz)
    return noise * decay(noise.size, half_life_seconds) * fade(noise.size, 0.0, 0.005)


def ride(half_life_seconds: float, rng: np.random.Generator) -> Signal:
    """A cymbal with the ping of the stick in it, at inharmonic partials."""
    wash = cymbal(5000.0, half_life_seconds, rng)
    ping = sum(
        (harmonic_tone(hertz, 6 * half_life_seconds, roll_off(1, 1.0)) for hertz in RIDE_HZ),
        start=np.zeros(wash.size),
    )
    return 0.7 * wash + 0.1 * ping * decay(wash.size, half_life_seconds / 2)


def chip_noise(half_life_seconds: float, hold: int, rng: np.random.Generator) -> Signal:
    """One-bit noise, each random bit held for `hold` samples, like a console's noise channel."""
    size = round(6 * half_life_seconds * SAMPLE_RATE)
    bits = np.where(rng.random(size // hold + 1) < 0.5, -1.0, 1.0)
    return np.repeat(bits, hold)[:size] * decay(size, half_life_seconds)


RIDE_HZ = (3120.0, 4270.0, 5390.0)  # no two in a simple ratio, so that no pitch is heard
