"""How each genre plays a song: its instruments, and how they are mixed."""

from collections.abc import Callable, Mapping

import numpy as np

from nocturne.sample import drums
from nocturne.sample.composition import SONG_SECONDS, Song, draw_melody, draw_song, hit_times
from nocturne.sample.synthesis import (
    SAMPLE_RATE,
    Signal,
    add_reverb,
    decay,
    detuned_tone,
    fade,
    fm_tone,
    harmonic_tone,
    high_pass,
    low_pass,
    midi_to_hz,
    overdrive,
    place,
    plucked_string,
    pulse_tone,
    roll_off,
    set_peak,
    time_axis,
    triangle_tone,
    white_noise,
)

PEAK_DB = -1.0  # headroom, so that no decoder or resampler overshoots full scale


def render_track(genre: int, take: int) -> Signal:
    """Track number `take` of a genre: SONG_SECONDS of mono sound, peak at PEAK_DB."""
    song = draw_song(genre, take)
    mix = high_pass(ARRANGEMENTS[song.genre.name](song), 25.0)  # below hearing: no offset
    return set_peak(mix * fade(mix.size, 0.005, 0.08), PEAK_DB)


def play_ambient(song: Song) -> Signal:
    """Slow detuned pads and a few bells in a very large room, over a breath of dark noise."""
    canvas = _silence()
    spectrum = roll_off(8, 2.2 - 0.7 * song.brightness)
    for bar in range(song.bars):
        start = bar * song.bar_seconds
        for note in song.chord_at(start):
            place(canvas, _swell(note, 1.6 * song.bar_seconds, spectrum), start, 0.2)
    for note in draw_melody(song, 3 + int(4 * song.colour), octave=2):
        bell = fm_tone(midi_to_hz(note), 3.0, 3.5, 1.5) * decay(3 * SAMPLE_RATE, 0.4)
        place(canvas, bell * fade(bell.size, 0.03, 0.5), song.rng.uniform(0.5, 10.5), 0.05)
    breath = low_pass(white_noise(SONG_SECONDS, song.rng), 250.0 + 350 * song.colour)
    canvas += 0.05 * breath
    return add_reverb(canvas, 0.35 + 0.35 * song.space, 0.7, song.rng)


def _swell(note: float, seconds: float, spectrum: Signal) -> Signal:
    pad = detuned_tone(midi_to_hz(note), seconds, spectrum, (-7.0, 0.0, 6.0))
    return pad * fade(pad.size, 0.4 * seconds, 0.5 * seconds)


def play_house(song: Song) -> Signal:
    """Four on the floor, claps, off-beat hats, filtered sawtooth stabs and a round bass."""
    canvas = _silence()
    _lay(canvas, song, "kick", drums.kick(48.0, 0.07), 0.9)
    _lay(canvas, song, "clap", drums.clap(song.rng), 0.5)
    hat = drums.cymbal(6500.0, 0.02 + 0.04 * song.colour, song.rng)
    _lay(canvas, song, "hat", hat, 0.3)
    _play_house_bass(canvas, song)
    stabs = _silence()
    spectrum = roll_off(20, 1.0)
    for start, gain in hit_times(song, "stab"):
        for note in song.chord_at(start):
            place(stabs, _struck(note + 12, 0.4, spectrum, 0.09), start, 0.16 * gain)
    stabs = low_pass(stabs, 700.0 * 4**song.brightness)
    return canvas + add_reverb(stabs, 0.08 + 0.1 * song.space, 0.35, song.rng)


def _play_house_bass(canvas: Signal, song: Song) -> None:
    spectrum = roll_off(6, 1.6)
    for start, gain in hit_times(song, "bass"):
        root = song.chord_at(start)[0] - 12
        place(canvas, _struck(root, 0.22, spectrum, 0.12), start, 0.55 * gain)


def play_drum_and_bass(song: Song) -> Signal:
    """A fast broken beat over sub-bass and a growling FM bass; a faint chord far behind."""
    canvas = _silence()
    _lay(canvas, song, "kick", drums.kick(58.0, 0.035), 0.85)
    _lay(canvas, song, "snare", drums.snare(205.0, 0.035, song.rng), 0.95)
    hat = drums.cymbal(4500.0 + 2500 * song.brightness, 0.015, song.rng)
    _lay(canvas, song, "hat", hat, 0.5)
    for start, gain in hit_times(song, "bass"):
        place(canvas, _growl(song, song.chord_at(start)[0]), start, 0.5 * gain)
    pad = _silence()
    for bar in range(song.bars):
        start = bar * song.bar_seconds
        for note in song.chord_at(start):
            place(pad, _swell(note + 36, song.bar_seconds, roll_off(5, 1.5)), start, 0.06)
    return canvas + add_reverb(pad, 0.15 + 0.15 * song.space, 0.5, song.rng)


def _growl(song: Song, note: float) -> Signal:
    """A sub sine below an FM tone whose index wobbles once or more in its length."""
    seconds = 3 * song.step_seconds
    times = time_axis(seconds)
    wobbles_hz = (1 + round(2 * song.colour)) / seconds
    index = (1.5 + 2.5 * song.colour) * (1 - np.cos(2 * np.pi * wobbles_hz * times)) / 2
    growl = fm_tone(midi_to_hz(note + 12), seconds, 1.01, index)
    sub = harmonic_tone(midi_to_hz(note), seconds, roll_off(1, 1.0))
    return (0.6 * sub + 0.5 * growl) * fade(times.size, 0.004, 0.03)


def play_folk_waltz(song: Song) -> Signal:
    """Oom-pah-pah on plucked strings, and a tune on a wheezing accordion or a whistle."""
    canvas = _silence()
    for start, gain in hit_times(song, "bass"):
        root = song.chord_at(start)[0] - 12
        place(canvas, _pluck(song, root, 1.0, 0.006), start, 0.7 * gain)
    for start, gain in hit_times(song, "strum"):
        for order, note in enumerate(song.chord_at(start)):
            place(canvas, _pluck(song, note + 12, 0.4, 0.012), start + 0.012 * order, 0.3 * gain)
    hits = hit_times(song, "lead")
    spectrum = roll_off(10, 1.9 - 0.9 * song.brightness)
    tune = draw_melody(song, len(hits), octave=1)
    ends = [start for start, _ in hits[1:]] + [SONG_SECONDS]
    for (start, gain), end, note in zip(hits, ends, tune, strict=True):
        place(canvas, _wheeze(song, note, 0.95 * (end - start), spectrum), start, 0.3 * gain)
    return add_reverb(canvas, 0.05 + 0.08 * song.space, 0.25, song.rng)


def _wheeze(song: Song, note: float, seconds: float, spectrum: Signal) -> Signal:
    """Two reeds apart by the tremolo of a musette accordion."""
    reeds_cents = 4.0 + 14.0 * song.colour
    tone = detuned_tone(midi_to_hz(note), seconds, spectrum, (0.0, reeds_cents))
    return tone * fade(tone.size, 0.035, 0.05)


def _pluck(song: Song, note: float, seconds: float, loss: float) -> Signal:
    return plucked_string(midi_to_hz(note), seconds, loss, song.rng)


def play_blues_rock(song: Song) -> Signal:
    """A shuffle with overdriven power chords, a pentatonic lead, ride and a dry snare."""
    guitars = _silence()
    for start, gain in hit_times(song, "chug"):
        for note in song.chord_at(start):
            place(guitars, _pluck(song, note, 1.6 * song.step_seconds, 0.004), start, 0.5 * gain)
    hits = hit_times(song, "lead")
    tune = draw_melody(song, len(hits), octave=2)
    for (start, gain), note in zip(hits, tune, strict=True):
        place(guitars, _pluck(song, note, 0.6, 0.002), start, 0.6 * gain)
    guitars = low_pass(overdrive(guitars, 4.0 + 8 * song.colour), 2600.0 + 2000 * song.brightness)
    canvas = _silence()
    _lay(canvas, song, "kick", drums.kick(62.0, 0.04), 0.8)
    _lay(canvas, song, "snare", drums.snare(180.0, 0.05, song.rng), 0.7)
    _lay(canvas, song, "ride", drums.ride(0.12, song.rng), 0.3)
    for start, gain in hit_times(song, "kick"):
        place(canvas, _pluck(song, song.chord_at(start)[0] - 12, 0.7, 0.003), start, 0.7 * gain)
    return add_reverb(canvas + 0.5 * guitars, 0.04 + 0.05 * song.space, 0.15, song.rng)


def play_chiptune(song: Song) -> Signal:
    """Two pulse channels, a stepped triangle and one-bit noise; bone dry."""
    canvas = _silence()
    _lay(canvas, song, "kick", drums.chip_noise(0.02, 24, song.rng), 0.3)
    _lay(canvas, song, "snare", drums.chip_noise(0.03, 3, song.rng), 0.3)
    _lay(canvas, song, "hat", drums.chip_noise(0.008, 1, song.rng), 0.15)
    for start, gain in hit_times(song, "bass"):
        bass = triangle_tone(midi_to_hz(song.chord_at(start)[0] - 12), 1.8 * song.step_seconds)
        place(canvas, bass * fade(bass.size, 0.001, 0.004), start, 0.35 * gain)
    _play_arpeggio(canvas, song)
    hits = hit_times(song, "lead")
    for (start, gain), note in zip(hits, draw_melody(song, len(hits), octave=1), strict=True):
        tone = pulse_tone(midi_to_hz(note), 1.7 * song.step_seconds, 0.5)
        place(canvas, tone * decay(tone.size, 0.15), start, 0.4 * gain)
    return canvas


def _play_arpeggio(canvas: Signal, song: Song) -> None:
    """One chord note a step, up and round, on a pulse as thin as the artist likes."""
    duty = 0.125 + 0.125 * round(2 * song.colour)
    steps = int(SONG_SECONDS / song.step_seconds)
    for step in range(steps):
        start = step * song.step_seconds
        chord = song.chord_at(start)
        tone = pulse_tone(midi_to_hz(chord[step % len(chord)]), 0.9 * song.step_seconds, duty)
        place(canvas, tone * decay(tone.size, 0.05 + 0.1 * song.space), start, 0.22)


def _silence() -> Signal:
    return np.zeros(round(SONG_SECONDS * SAMPLE_RATE))


def _struck(note: float, seconds: float, spectrum: Signal, half_life_seconds: float) -> Signal:
    tone = harmonic_tone(midi_to_hz(note), seconds, spectrum)
    return tone * decay(tone.size, half_life_seconds) * fade(tone.size, 0.003, 0.02)


def _lay(canvas: Signal, song: Song, part: str, hit: Signal, gain: float) -> None:
    for start, accent in hit_times(song, part):
        place(canvas, hit, start, gain * accent)


ARRANGEMENTS: Mapping[str, Callable[[Song], Signal]] = {
    "Ambient": play_ambient,
    "House": play_house,
    "Drum and Bass": play_drum_and_bass,
    "Folk Waltz": play_folk_waltz,
    "Blues Rock": play_blues_rock,
    "Chiptune": play_chiptune,
}
