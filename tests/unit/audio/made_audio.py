"""Audio files made for the tests, in every format that a library may hold."""

from pathlib import Path

import av
import numpy as np
import soundfile

RATE = 44100
CODECS = {"aac": ("aac", "adts"), "m4a": ("aac", "mp4"), "mka": ("aac", "matroska")}
"""What PyAV writes; libsndfile writes the others."""


def sweep(seconds: float, rate: int = RATE) -> np.ndarray:
    """A tone that rises by 40 Hz a second from 200 Hz, so that each moment sounds its own."""
    at = np.arange(round(seconds * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * (200 * at + 20 * at**2))).astype(np.float32)


def write_audio(path: Path, samples: np.ndarray, rate: int = RATE, form: str = "") -> Path:
    """Write samples, (n,) or (n, channels), in the format that the name ends in, or in `form`."""
    form = form or path.suffix[1:]
    if form in CODECS:
        write_by_ffmpeg(path, samples, rate, form)
    elif form == "opus":
        soundfile.write(path, samples, rate, format="OGG", subtype="OPUS")
    else:
        soundfile.write(path, samples, rate, format=form.upper())
    return path


def write_by_ffmpeg(path: Path, samples: np.ndarray, rate: int, form: str) -> None:
    codec, container_format = CODECS[form]
    channels = samples.reshape(len(samples), -1).T.astype(np.float32)
    layout = {1: "mono", 2: "stereo"}[len(channels)]
    with av.open(str(path), "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = 64_000 * len(channels)
        fifo = av.AudioFifo()
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), "fltp", layout)
        frame.sample_rate, frame.pts = rate, 0
        fifo.write(frame)
        while piece := fifo.read(1024, partial=True):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


def faststart(path: Path) -> Path:
    """The same M4A with its index at the beginning, as shops sell it."""
    target = path.with_stem(f"{path.stem}-faststart")
    with (
        av.open(str(path)) as source,
        av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as container,
    ):
        stream = container.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    return target


def keep_share(path: Path, share: float) -> Path:
    """Cut off the end of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: round(len(content) * share)])
    return path
