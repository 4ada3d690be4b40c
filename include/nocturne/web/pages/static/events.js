// What the listener does, on its way to the API: an event keeps its id until it has arrived.
export const { base, listener: named } = document.documentElement.dataset;
const PATIENCE_MS = 10_000;
const AGAIN_MS = 5_000;
const MOST_KEPT = 500;
// A browser sends 64 kB at most for a page that is being left.
const MOST_AT_ONCE = 100;
const REFUSED = 422;

// A page that was opened for a listener by name leads to pages for the same one, whatever the cookie
// says that all tabs share.
export function trackAddress(trackId) {
  const address = `${base}/tracks/${encodeURIComponent(trackId)}`;
  return named ? `${address}?listener=${encodeURIComponent(named)}` : address;
}

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

// Sends in the order of the deeds; what has not arrived is kept in the browser, and sent again: by
// itself, when the server is back, by the next page. An event keeps its id, so twice is as once.
export class Outbox {
  constructor(listener) {
    this.name = `nocturne-unsent:${base}:${listener}`;
    this.sending = null;
    this.again = 0;
    this.lost = "";
    this.banner = document.getElementById("unsent");
    document.getElementById("send-again").addEventListener("click", () => this.flush());
    addEventListener("online", () => this.flush());
    if (this.waiting.length) this.flush();
  }

  // Tabs of one listener share what waits.
  get waiting() {
    try {
      return JSON.parse(localStorage.getItem(this.name) ?? "[]");
    } catch {
      return this.unkept ?? [];
    }
  }

  set waiting(events) {
    const newest = events.slice(-MOST_KEPT);
    this.unkept = newest;
    try {
      if (newest.length) localStorage.setItem(this.name, JSON.stringify(newest));
      else localStorage.removeItem(this.name);
    } catch {
      // A browser that keeps nothing for us: it waits as long as the page is open.
    }
  }

  send(event) {
    this.waiting = [...this.waiting, event];
    return this.flush();
  }

  // Whether everything has arrived.
  async flush() {
    while (this.sending) await this.sending;
    clearTimeout(this.again);
    this.sending = this.sendAll();
    const problem = await this.sending;
    this.sending = null;
    this.show(problem);
    if (problem) this.again = setTimeout(() => this.flush(), AGAIN_MS);
    return !problem;
  }

  async sendAll() {
    let problem = "";
    for (let some; !problem && (some = this.waiting.slice(0, MOST_AT_ONCE)).length; ) {
      problem = await this.post(some);
    }
    return problem;
  }

  async post(events) {
    let answer;
    try {
      answer = await fetch(`${base}/api/v1/events`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(events),
        keepalive: true,
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
    } catch {
      return "The server does not answer.";
    }
    if (answer.status === REFUSED) return await this.refuse(events, answer);
    if (!answer.ok) return await explain(answer);
    this.remove(events);
    return "";
  }

  // What the server can never take must not hold up the rest.
  async refuse(events, answer) {
    if (events.length === 1) {
      this.lost = await explain(answer);
      this.remove(events);
      return "";
    }
    let problem = "";
    for (const event of events) problem ||= await this.post([event]);
    return problem;
  }

  remove(events) {
    const gone = new Set(events.map((event) => event.event_id));
    this.waiting = this.waiting.filter((event) => !gone.has(event.event_id));
  }

  show(problem) {
    const waiting = this.waiting.length;
    const things = waiting === 1 ? "One thing" : `${waiting} things`;
    const told = problem && `${things} that you did could not be sent yet. ${problem}`;
    this.banner.hidden = !told && !this.lost;
    document.getElementById("unsent-text").textContent =
      told || (this.lost && `Something that you did was not taken. ${this.lost}`) || "";
    document.getElementById("send-again").hidden = !told;
    this.lost = "";
  }
}
