// The listener's three songs: what they do goes to the API, and the stream brings what comes next.
import { Outbox, base, hueOf, makeEvent, trackAddress } from "./events.js";
import { Player, drawPlayButton } from "./player.js";

const PATIENCE_MS = 6_000;
const REOPEN_MS = 5_000;
const HIDDEN_MS = 60_000;
const DONE = { like: "Liked", skip: "Skipped", hide: "Hidden", listen: "Played" };

const listener = document.getElementById("home").dataset.listener;
const cards = document.getElementById("recommendations");
const pattern = document.getElementById("card").content.firstElementChild;
const said = document.getElementById("said");
const outbox = new Outbox(listener);
let impatience = 0;
let playNext = false;

const player = new Player({
  heard: (track, action, ms) => tell(track, action, ms),
  ended: () => {
    playNext = player.keepPlaying.checked;
  },
  failed: (track) => say(`“${track.title}” cannot be played.`),
  changed: () => {
    for (const card of cards.children) drawPlaying(card);
  },
});

function say(text) {
  said.textContent = text;
}

function trackOf(card) {
  const text = (name) => card.querySelector(name).textContent;
  return { track_id: card.dataset.trackId, title: text(".title"), artist: text(".artist") };
}

function drawPlaying(card) {
  card.classList.toggle("is-playing", player.isOn(card.dataset.trackId));
  drawPlayButton(card.querySelector("[data-action=play]"), player, trackOf(card));
}

function makeCard(track) {
  const card = pattern.cloneNode(true);
  card.dataset.trackId = track.track_id;
  card.querySelector(".cover").style.setProperty("--hue", hueOf(track.track_id));
  const link = card.querySelector(".title");
  link.href = trackAddress(track.track_id);
  link.textContent = track.title;
  card.querySelector(".artist").textContent = track.artist;
  for (const button of card.querySelectorAll("[data-action]")) {
    button.setAttribute("aria-label", `${button.title} ${track.title}`);
  }
  return card;
}

// Where the keyboard is, so that it is there again when the list has changed.
function findFocus() {
  const card = document.activeElement?.closest(".card");
  if (!card) return null;
  const action = document.activeElement.dataset.action;
  return { place: [...cards.children].indexOf(card), action, trackId: card.dataset.trackId };
}

function restoreFocus(before) {
  if (!before || !cards.children.length) return;
  const same = [...cards.children].find((card) => card.dataset.trackId === before.trackId);
  const card = same ?? cards.children[Math.min(before.place, cards.children.length - 1)];
  const target = before.action ? `[data-action=${before.action}]` : ".title";
  card.querySelector(target).focus({ preventScroll: true });
}

function draw(list) {
  const known = new Map([...cards.children].map((card) => [card.dataset.trackId, card]));
  const focus = findFocus();
  const drawn = list.tracks.map((track) => {
    const card = known.get(track.track_id) ?? makeCard(track);
    card.classList.toggle("is-new", !known.has(track.track_id));
    card.querySelector(".reason").textContent = track.reason;
    return card;
  });
  cards.replaceChildren(...drawn);
  cards.dataset.seq = list.seq;
  cards.dataset.version = list.version;
  document.getElementById("empty").hidden = drawn.length > 0;
  for (const card of drawn) {
    drawPlaying(card);
    for (const button of card.querySelectorAll("button")) button.disabled = false;
  }
  restoreFocus(focus);
}

function isNewer(list) {
  const seq = Number(cards.dataset.seq);
  return list.seq > seq || (list.seq === seq && list.version !== cards.dataset.version);
}

function receive(list) {
  if (!isNewer(list)) return;
  clearTimeout(impatience);
  draw(list);
  const names = list.tracks.map((track) => `${track.title} by ${track.artist}`);
  say(`New for you: ${names.join("; ")}.`);
  const first = cards.firstElementChild;
  if (playNext && first) player.play(trackOf(first));
  playNext = false;
}

async function tell(track, action, ms) {
  const arrived = await outbox.send(makeEvent(listener, track.track_id, action, ms));
  if (!arrived) return;
  say(`${DONE[action]}: ${track.title}. What comes next is being chosen.`);
  clearTimeout(impatience);
  impatience = setTimeout(() => {
    say("What you did is kept, but the recommender is not answering. Your songs change when it does.");
    if (playNext) playAnother(track.track_id);
    playNext = false;
  }, PATIENCE_MS);
}

function act(card, action) {
  const track = trackOf(card);
  if (action === "play") {
    playNext = false;
    player.play(track);
    return;
  }
  const ms = player.msPlayed(track.track_id);
  // The player must not tell of the same song a second time.
  if (action !== "like" && player.isOn(track.track_id)) {
    playNext = player.playing && player.keepPlaying.checked;
    player.stop();
  }
  for (const name of action === "like" ? ["like"] : ["like", "skip", "hide"]) {
    card.querySelector(`[data-action=${name}]`).disabled = true;
  }
  tell(track, action, ms);
}

cards.addEventListener("click", (event) => {
  const button = event.target.closest("[data-action]");
  if (button) act(button.closest(".card"), button.dataset.action);
});
document.getElementById("next").addEventListener("click", () => playAnother());

// Neither what plays nor the track that is given.
function playAnother(but = player.track?.track_id) {
  const next = [...cards.children].find((card) => card.dataset.trackId !== but);
  if (next) player.play(trackOf(next));
}

const KEYS = { l: "like", s: "skip", h: "hide" };

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select")) return;
  const key = event.key.toLowerCase();
  const card = event.target.closest(".card");
  const chosen = cards.children[Number(key) - 1];
  if (chosen) chosen.querySelector("[data-action=play]").focus();
  else if (key in KEYS && card) card.querySelector(`[data-action=${KEYS[key]}]`).click();
  else if (key === "n" && player.track) playAnother();
  else if (key === " " && !event.target.closest("button, a, summary") && player.track) {
    event.preventDefault();
    player.playOrPause();
  }
}

document.addEventListener("keydown", press);

const connection = document.getElementById("connection");
const STATES = {
  live: () => "live",
  behind: (events) => `catching up: ${events} ${events === 1 ? "event" : "events"} behind`,
  alone: () => "no recommender is running",
  away: () => "a database is away",
  waiting: () => "reconnecting",
  off: () => "not connected",
};
let stream = null;
let hiding = 0;

function show(state, behind = 0) {
  connection.dataset.state = state;
  document.getElementById("connection-text").textContent = STATES[state](behind);
}

function connect() {
  stream?.close();
  const opened = new EventSource(`${base}/api/v1/listeners/${encodeURIComponent(listener)}/stream`);
  stream = opened;
  // The connection alone says nothing of who makes the lists.
  opened.addEventListener("state", (event) => {
    const state = JSON.parse(event.data);
    show(state.name, state.behind);
  });
  opened.addEventListener("open", () => outbox.flush());
  opened.addEventListener("recommendations", (event) => receive(JSON.parse(event.data)));
  opened.addEventListener("error", () => {
    // A stream that was refused does not come back by itself.
    const closed = opened.readyState === EventSource.CLOSED;
    show(closed ? "off" : "waiting");
    if (closed) setTimeout(() => stream === opened && connect(), REOPEN_MS);
  });
}

// A browser has few connections to a server: pages that nobody looks at let go of theirs.
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.hidden) {
    hiding = setTimeout(() => {
      if (player.playing) return;
      stream?.close();
      stream = null;
      show("waiting");
    }, HIDDEN_MS);
  } else if (!stream) connect();
});
addEventListener("pageshow", (event) => event.persisted && connect());
addEventListener("pagehide", () => stream?.close());
connect();
