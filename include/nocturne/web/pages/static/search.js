// The search box: suggestions while typing, to be walked with the arrow keys.
import { base, trackAddress } from "./events.js";

const box = document.getElementById("search-text");
const list = document.getElementById("search-found");
const said = document.getElementById("search-said");
const PAUSE_MS = 120;
let timer = 0;
let asked = 0;
let active = -1;

function close() {
  clearTimeout(timer);
  asked += 1;
  list.hidden = true;
  said.className = "unseen";
  said.textContent = "";
  active = -1;
  box.setAttribute("aria-expanded", "false");
  box.removeAttribute("aria-activedescendant");
}

function pick(place) {
  const options = [...list.children];
  options[active]?.setAttribute("aria-selected", "false");
  active = options.length ? (place + options.length) % options.length : -1;
  const option = options[active];
  if (!option) return;
  option.setAttribute("aria-selected", "true");
  option.scrollIntoView({ block: "nearest" });
  box.setAttribute("aria-activedescendant", option.id);
}

function open(option) {
  location.assign(trackAddress(option.dataset.trackId));
}

function draw({ tracks, guessed }) {
  const options = tracks.map((track, place) => {
    const option = document.createElement("li");
    option.id = `search-option-${place}`;
    option.role = "option";
    option.dataset.trackId = track.track_id;
    option.setAttribute("aria-selected", "false");
    for (const [name, text] of [["title", track.title], ["artist", track.artist]]) {
      const part = document.createElement("bdi");
      part.className = name;
      part.textContent = text;
      option.append(part);
    }
    return option;
  });
  list.replaceChildren(...options);
  active = -1;
  list.hidden = !tracks.length;
  box.setAttribute("aria-expanded", String(tracks.length > 0));
  box.removeAttribute("aria-activedescendant");
  said.className = tracks.length ? "unseen" : "nothing-found";
  const spelt = guessed ? " spelt nearly so" : "";
  const songs = `${tracks.length} ${tracks.length === 1 ? "song" : "songs"}`;
  said.textContent = tracks.length ? `${songs}${spelt}` : "No song or artist is called so.";
}

async function ask() {
  const number = ++asked;
  const text = box.value.trim();
  if (!text) {
    close();
    return;
  }
  try {
    const answer = await fetch(`${base}/api/v1/search?n=8&q=${encodeURIComponent(text)}`);
    if (!answer.ok) throw new Error(answer.statusText);
    const found = await answer.json();
    if (number === asked) draw(found);
  } catch {
    if (number === asked) close();
  }
}

box.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(ask, PAUSE_MS);
});
box.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (list.hidden) ask();
    else if (active < 0 && event.key === "ArrowUp") pick(list.children.length - 1);
    else pick(active + (event.key === "ArrowDown" ? 1 : -1));
  } else if (event.key === "Enter" && active >= 0) {
    event.preventDefault();
    open(list.children[active]);
  } else if (event.key === "Escape" && !list.hidden) {
    event.preventDefault();
    close();
  }
});
box.addEventListener("blur", () => close());
list.addEventListener("mousedown", (event) => event.preventDefault());
list.addEventListener("click", (event) => {
  const option = event.target.closest("[role=option]");
  if (option) open(option);
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    box.focus();
  }
});
