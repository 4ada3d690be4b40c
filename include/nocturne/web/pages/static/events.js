// What the listener does, on its way to the API: an event keeps its id until it has arrived.
export const base = document.documentElement.dataset.base;
const PATIENCE_MS = 10_000;

function makeId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

export function makeEvent(listener, trackId, action, msPlayed) {
  return {
    schema: 1,
    event_id: makeId(),
    user_id: listener,
    track_id: trackId,
    action,
    at: new Date().toISOString(),
    ms_played: Math.max(0, Math.round(msPlayed)),
  };
}

export function hueOf(trackId) {
  const sum = [...trackId].reduce((total, sign, place) => total + (place + 7) * sign.codePointAt(0), 0);
  return (sum * 47) % 360;
}

async function explain(answer) {
  try {
    return (await answer.json()).detail;
  } catch {
    return `The server answered ${answer.status}.`;
  }
}

// Sends in the order of the deeds; what has not arrived waits behind a banner with a button.
export class Outbox {
  constructor() {
    this.waiting = [];
    this.sending = null;
    this.banner = document.getElementById("unsent");
    document.getElementById("send-again").addEventListener("click", () => this.flush());
  }

  send(event) {
    this.waiting.push(event);
    return this.flush();
  }

  // Whether everything has arrived.
  async flush() {
    while (this.sending) await this.sending;
    if (!this.waiting.length) return true;
    this.sending = this.post([...this.waiting]);
    const problem = await this.sending;
    this.sending = null;
    this.show(problem);
    return !problem;
  }

  async post(events) {
    try {
      const answer = await fetch(`${base}/api/v1/events`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(events),
        keepalive: true,
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      if (!answer.ok) return await explain(answer);
    } catch {
      return "The server does not answer.";
    }
    this.waiting = this.waiting.filter((event) => !events.includes(event));
    return "";
  }

  show(problem) {
    this.banner.hidden = !problem;
    const count = this.waiting.length === 1 ? "One thing" : `${this.waiting.length} things`;
    document.getElementById("unsent-text").textContent =
      problem && `${count} that you did could not be sent. ${problem}`;
  }
}
