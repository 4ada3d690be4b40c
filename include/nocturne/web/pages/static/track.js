// A song's page: it plays, and what the listener does with it is told.
import { Outbox, makeEvent } from "./events.js";
import { Player, drawPlayButton } from "./player.js";

const DONE = { like: "Liked", skip: "Skipped", hide: "Hidden: it is not recommended to you any more", listen: "Played" };
const page = document.getElementById("track");
const said = document.getElementById("said");
const buttons = page.querySelector(".deeds");
const outbox = new Outbox(page.dataset.listener);
const track = {
  track_id: page.dataset.trackId,
  title: page.querySelector(".title").textContent,
  artist: page.querySelector(".artist").textContent,
};
const player = new Player({
  heard: (_, action, ms) => tell(action, ms),
  ended: () => {},
  failed: () => {
    said.textContent = "It cannot be played.";
  },
  changed: () => drawPlayButton(buttons.querySelector("[data-action=play]"), player, track),
});

async function tell(action, ms) {
  const arrived = await outbox.send(makeEvent(page.dataset.listener, track.track_id, action, ms));
  if (arrived) said.textContent = `${DONE[action]}.`;
}

buttons.addEventListener("click", (event) => {
  const button = event.target.closest("[data-action]");
  if (!button) return;
  const action = button.dataset.action;
  if (action === "play") {
    player.play(track);
    return;
  }
  const ms = player.msPlayed(track.track_id);
  if (action !== "like") player.stop();
  button.disabled = true;
  tell(action, ms);
});
document.getElementById("next").hidden = true;
document.getElementById("keep-playing").closest("label").hidden = true;
