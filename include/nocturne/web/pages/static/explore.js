// The map of the songs, drawn from the list beneath it.
const NS = "http://www.w3.org/2000/svg";
const MARGIN = 30;
const DOT = 7;
const STEP = 1.4;
const NEAREST = 1;
const FARTHEST = 40;
const DRAG_PIXELS = 4;
const SHAPES = {
  circle: "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0z",
  square: "M-.88-.88h1.760v1.760h-1.760z",
  diamond: "M0-1.250L1.250 0L0 1.250L-1.250 0z",
  cross: "M-.4-1.100h.8v.7h.7v.8h-.7v.7h-.8v-.7h-.7v-.8h.7z",
  x: "M-.8-1.200L0-.4L.8-1.200L1.200-.8L.4 0L1.200 .8L.8 1.200L0 .4L-.8 1.200L-1.200 .8L-.4 0L-1.200-.8z",
};

const map = document.getElementById("map");
const groups = [...document.querySelectorAll(".group")];
if (map && groups.length) begin();

function begin() {
  const svg = document.getElementById("scatter");
  const tip = document.getElementById("tip");
  const spoken = document.getElementById("map-said");
  const dots = readDots();
  const view = { x: 0, y: 0, zoom: 1 };
  let [width, height] = [0, 0];
  let active = null;

  map.hidden = false;
  document.getElementById("as-list").open = false;
  const plane = svg.appendChild(document.createElementNS(NS, "g"));
  for (const dot of dots) plane.append(dot.shape);
  drawLegend();
  arrange();

  function readDots() {
    const links = groups.flatMap((group) => [...group.querySelectorAll("a")].map((link) => [group, link]));
    return links.map(([group, link]) => {
      const shape = document.createElementNS(NS, "path");
      shape.setAttribute("d", SHAPES[group.dataset.symbol]);
      shape.setAttribute("fill", group.dataset.colour);
      shape.dataset.trackId = link.dataset.trackId;
      const dot = { shape, link, cluster: group.dataset.cluster, x: 0, y: 0 };
      shape.addEventListener("pointerenter", () => choose(dot));
      shape.addEventListener("pointerleave", () => choose(null));
      return dot;
    });
  }

  // The map fills its frame, and a dot is as large on a small screen as on a wide one.
  function arrange() {
    ({ width, height } = svg.getBoundingClientRect());
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const spread = (values, size) => {
      const [low, high] = [Math.min(...values), Math.max(...values)];
      const share = (value) => (high === low ? 0.5 : (value - low) / (high - low));
      return values.map((value) => MARGIN + share(value) * (size - 2 * MARGIN));
    };
    const xs = spread(dots.map((dot) => Number(dot.link.dataset.x)), width);
    const ys = spread(dots.map((dot) => -Number(dot.link.dataset.y)), height);
    dots.forEach((dot, place) => Object.assign(dot, { x: xs[place], y: ys[place] }));
    hold();
    apply();
  }

  function isShown(dot) {
    return !dot.shape.classList.contains("off");
  }

  function apply() {
    plane.setAttribute("transform", `translate(${view.x} ${view.y})`);
    for (const dot of dots) place(dot);
    placeTip();
  }

  function place(dot) {
    const size = DOT * Math.min(view.zoom, 4) ** 0.35 * (dot === active ? 1.7 : 1);
    dot.shape.setAttribute("transform", `translate(${dot.x * view.zoom} ${dot.y * view.zoom}) scale(${size})`);
  }

  function zoom(factor, x = width / 2, y = height / 2) {
    const next = Math.min(Math.max(view.zoom * factor, NEAREST), FARTHEST);
    const grown = next / view.zoom;
    view.x = x - (x - view.x) * grown;
    view.y = y - (y - view.y) * grown;
    view.zoom = next;
    hold();
    apply();
  }

  // The map cannot be pushed out of its frame.
  function hold() {
    view.x = Math.min(0, Math.max(view.x, width * (1 - view.zoom)));
    view.y = Math.min(0, Math.max(view.y, height * (1 - view.zoom)));
  }

  function choose(dot, aloud = false) {
    const before = active;
    before?.shape.classList.remove("active");
    active = dot;
    if (before) place(before);
    if (dot) {
      dot.shape.classList.add("active");
      place(dot);
      tip.querySelector(".title").textContent = dot.link.textContent;
      tip.querySelector(".artist").textContent = dot.link.nextElementSibling.textContent;
      if (aloud) spoken.textContent = `${tip.textContent}, ${dot.cluster ? `cluster ${dot.cluster}` : "not clustered"}`;
    }
    placeTip();
  }

  function placeTip() {
    tip.hidden = !active;
    if (!active) return;
    const frame = svg.getBoundingClientRect();
    const panel = map.getBoundingClientRect();
    const x = frame.left - panel.left + active.x * view.zoom + view.x;
    const y = frame.top - panel.top + active.y * view.zoom + view.y;
    tip.style.left = `${Math.min(Math.max(x, tip.offsetWidth / 2 + 8), panel.width - tip.offsetWidth / 2 - 8)}px`;
    tip.style.top = `${y}px`;
  }

  function open(dot) {
    location.assign(dot.link.href);
  }

  // The nearest song in a direction, rather straight ahead than aside.
  function findBeyond(dx, dy) {
    const from = active ?? { x: width / 2 - dx, y: height / 2 - dy };
    let [best, least] = [null, Infinity];
    for (const dot of dots) {
      const ahead = (dot.x - from.x) * dx + (dot.y - from.y) * dy;
      if (dot === active || !isShown(dot) || ahead <= 0) continue;
      const aside = Math.abs((dot.x - from.x) * dy - (dot.y - from.y) * dx);
      const distance = ahead + 2 * aside;
      if (distance < least) [best, least] = [dot, distance];
    }
    return best;
  }

  function show(dot) {
    const [x, y] = [dot.x * view.zoom + view.x, dot.y * view.zoom + view.y];
    if (x < MARGIN || x > width - MARGIN) view.x = width / 2 - dot.x * view.zoom;
    if (y < MARGIN || y > height - MARGIN) view.y = height / 2 - dot.y * view.zoom;
    hold();
  }

  function drawLegend() {
    for (const group of groups) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "quiet";
      button.setAttribute("aria-pressed", "true");
      const key = document.createElementNS(NS, "svg");
      key.setAttribute("viewBox", "-1.5 -1.5 3 3");
      key.setAttribute("aria-hidden", "true");
      const shape = key.appendChild(document.createElementNS(NS, "path"));
      shape.setAttribute("d", SHAPES[group.dataset.symbol]);
      shape.setAttribute("fill", group.dataset.colour);
      button.append(key, group.dataset.cluster ? `Cluster ${group.dataset.cluster}` : "Not clustered");
      button.addEventListener("click", () => {
        const on = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(on));
        for (const dot of dots) {
          if (dot.cluster === group.dataset.cluster) dot.shape.classList.toggle("off", !on);
        }
      });
      document.getElementById("legend").append(button);
    }
  }

  function inMap(event) {
    const frame = svg.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  }

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  svg.addEventListener("keydown", (event) => {
    if (event.key in ARROWS) {
      event.preventDefault();
      const next = findBeyond(...ARROWS[event.key]);
      if (next) {
        show(next);
        choose(next, true);
        apply();
      }
    } else if (event.key === "Enter" && active) open(active);
    else if (event.key === "Escape") choose(null);
    else if (event.key === "+") zoom(STEP);
    else if (event.key === "-") zoom(1 / STEP);
  });
  svg.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(event.deltaY < 0 ? STEP : 1 / STEP, ...inMap(event));
  }, { passive: false });

  let drag = null;
  svg.addEventListener("pointerdown", (event) => {
    const dot = dots.find((one) => one.shape === event.target);
    drag = { at: inMap(event), from: [event.clientX, event.clientY], moved: false, dot };
  });
  addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [x, y] = inMap(event);
    drag.moved ||= Math.hypot(event.clientX - drag.from[0], event.clientY - drag.from[1]) > DRAG_PIXELS;
    if (!drag.moved) return;
    view.x += x - drag.at[0];
    view.y += y - drag.at[1];
    drag.at = [x, y];
    hold();
    apply();
  });
  addEventListener("pointerup", () => {
    if (drag && !drag.moved && drag.dot) open(drag.dot);
    drag = null;
  });
  addEventListener("pointercancel", () => {
    drag = null;
  });
  document.getElementById("nearer").addEventListener("click", () => zoom(STEP));
  document.getElementById("farther").addEventListener("click", () => zoom(1 / STEP));
  document.getElementById("whole").addEventListener("click", () => zoom(1e-9));
  addEventListener("resize", arrange);
}
