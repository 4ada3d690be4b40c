// The player: one song at a time, with what was heard of it told to whoever asked for it.
import { base } from "./events.js";

const HEARD_SHARE = 0.5;
const SEEK_SECONDS = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -30, PageUp: 30 };

function clock(seconds) {
  if (!Number.isFinite(seconds)) return "0:00";
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

export class Player {
  // heard(track, action, ms): a song was left, as a listen or a skip; ended(track): it came to
  // its end; failed(track); changed(): it plays or pauses.
  constructor(calls) {
    this.calls = calls;
    this.track = null;
    this.bar = document.getElementById("player");
    this.audio = document.getElementById("audio");
    this.toggle = document.getElementById("toggle");
    this.position = document.getElementById("position");
    this.keepPlaying = document.getElementById("keep-playing");
    this.listen();
  }

  listen() {
    const on = (name, call) => this.audio.addEventListener(name, call);
    on("play", () => this.draw());
    on("pause", () => this.draw());
    on("timeupdate", () => this.drawTime());
    on("durationchange", () => this.drawTime());
    on("ended", () => this.finish());
    on("error", () => this.fail());
    this.toggle.addEventListener("click", () => this.playOrPause());
    this.position.addEventListener("input", () => {
      const share = Number(this.position.value) / Number(this.position.max);
      if (this.audio.duration) this.audio.currentTime = share * this.audio.duration;
    });
    // The bar's own step is a thousandth of the song.
    this.position.addEventListener("keydown", (event) => {
      const seconds = SEEK_SECONDS[event.key];
      if (!seconds || !this.audio.duration) return;
      event.preventDefault();
      const at = this.audio.currentTime + seconds;
      this.audio.currentTime = Math.min(Math.max(at, 0), this.audio.duration);
    });
    addEventListener("pagehide", () => {
      if (this.track && this.share() >= HEARD_SHARE) this.leave();
    });
  }

  get playing() {
    return this.track !== null && !this.audio.paused;
  }

  isOn(trackId) {
    return this.track?.track_id === trackId;
  }

  msPlayed(trackId) {
    return this.isOn(trackId) ? this.audio.currentTime * 1000 : 0;
  }

  share() {
    return this.audio.duration ? this.audio.currentTime / this.audio.duration : 0;
  }

  play(track) {
    if (this.isOn(track.track_id)) {
      this.playOrPause();
      return;
    }
    this.leave();
    this.track = track;
    this.bar.hidden = false;
    document.getElementById("playing-title").textContent = track.title;
    document.getElementById("playing-artist").textContent = track.artist;
    this.audio.src = `${base}/api/v1/tracks/${encodeURIComponent(track.track_id)}/audio`;
    this.start();
  }

  start() {
    this.audio.play().catch((error) => {
      if (error.name !== "AbortError") this.draw();
    });
    this.draw();
  }

  playOrPause() {
    if (!this.track) return;
    if (this.audio.paused) this.start();
    else this.audio.pause();
  }

  // The song is over for the listener: a listen if half of it was heard, else a skip.
  leave() {
    if (!this.track) return;
    const [track, ms, heard] = [this.track, this.audio.currentTime * 1000, this.share()];
    this.stop();
    if (ms > 0) this.calls.heard(track, heard >= HEARD_SHARE ? "listen" : "skip", ms);
  }

  // Without a word: what the listener did says it already.
  stop() {
    this.track = null;
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.audio.load();
    this.bar.hidden = true;
    this.draw();
  }

  finish() {
    const [track, ms] = [this.track, this.audio.duration * 1000];
    this.stop();
    this.calls.heard(track, "listen", ms);
    this.calls.ended(track);
  }

  fail() {
    if (!this.track) return;
    const track = this.track;
    this.stop();
    this.calls.failed(track);
  }

  draw() {
    this.bar.classList.toggle("is-playing", this.playing);
    this.toggle.setAttribute("aria-label", this.playing ? "Pause" : "Play");
    document.body.classList.toggle("has-player", !this.bar.hidden);
    this.drawTime();
    this.calls.changed();
  }

  drawTime() {
    document.getElementById("played").textContent = clock(this.audio.currentTime);
    document.getElementById("length").textContent = clock(this.audio.duration);
    this.position.value = String(Math.round(this.share() * Number(this.position.max)));
    this.position.setAttribute("aria-valuetext", clock(this.audio.currentTime));
  }
}

// The play buttons show what plays.
export function drawPlayButton(button, player, track) {
  const on = player.playing && player.isOn(track.track_id);
  button.classList.toggle("is-playing", on);
  button.setAttribute("aria-label", `${on ? "Pause" : "Play"} ${track.title}`);
  button.querySelector("span").textContent = on ? "Pause" : "Play";
  button.title = on ? "Pause" : "Play";
}
