// Simulated listeners: let in and sent home.
const base = document.documentElement.dataset.base;
const button = document.getElementById("simulation-switch");
const listeners = document.getElementById("simulation-listeners");
const rate = document.getElementById("simulation-rate");
const said = document.getElementById("simulation-said");
const LOOK_MS = 3_000;
let timer = 0;

function draw(state) {
  button.setAttribute("aria-checked", String(state.running));
  if (state.running) {
    said.textContent = `${state.listeners} listeners are here; they have sent ${state.sent.toLocaleString("en")} events. One of them is simulated-001.`;
  } else if (state.sent) {
    said.textContent = `They have gone home, after ${state.sent.toLocaleString("en")} events.`;
  }
  clearTimeout(timer);
  if (state.running) timer = setTimeout(look, LOOK_MS);
}

async function ask(options) {
  try {
    const answer = await fetch(`${base}/api/v1/simulation`, options);
    const document = await answer.json();
    if (answer.ok) draw(document);
    else said.textContent = document.detail;
  } catch {
    said.textContent = "The server does not answer.";
  }
}

function look() {
  if (document.hidden) timer = setTimeout(look, LOOK_MS);
  else ask();
}

async function order(running) {
  if (!listeners.reportValidity() || !rate.reportValidity()) return;
  button.disabled = true;
  await ask({
    method: "PUT",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ running, listeners: Number(listeners.value), rate: Number(rate.value) }),
  });
  button.disabled = false;
}

const isOn = () => button.getAttribute("aria-checked") === "true";
button.addEventListener("click", () => order(!isOn()));
for (const field of [listeners, rate]) {
  field.addEventListener("change", () => isOn() && order(true));
}
document.getElementById("simulation").addEventListener("submit", (event) => event.preventDefault());
ask();
