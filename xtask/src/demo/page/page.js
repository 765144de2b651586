// Shows what the supervisor knows, four times a second. No library, no network but this machine.
"use strict";

const EVERY = 250;
const NS = "http://www.w3.org/2000/svg";
const SIGNS = { killed: "†", frozen: "❄", thawed: "▶", started: "+", "took-over": "▲", refused: "✕", wrong: "!" };
const at = (id) => document.getElementById(id);
const grouped = (n) => (n ?? 0).toLocaleString("en");
let failures = 0;
let over = false;

/** An element with text (never markup) and attributes. */
function make(name, text, attributes = {}) {
  const element = document.createElement(name);
  if (text !== undefined && text !== null) element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function draw(name, attributes, text) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

/** Cards are kept, so that a button does not vanish under a finger. */
function card(number) {
  const id = `instance-${number}`;
  if (at(id)) return at(id);
  const box = make("article", null, { id, class: "card" });
  const title = make("h3", `Instance ${number} `);
  title.append(make("span", "", { class: "state" }));
  const buttons = make("div", null, { class: "buttons" });
  for (const [button, label] of [["kill", "Kill"], ["freeze", "Freeze 5 s"], ["restart", "Restart"]]) {
    const element = make("button", label, { type: "button", "aria-label": `${label}: instance ${number}` });
    element.dataset.button = button;
    element.addEventListener("click", () => fetch(`/instances/${number}/${button}`, { method: "POST" }).catch(() => {}));
    buttons.append(element);
  }
  box.append(title, make("p", "", { class: "process" }), make("p", "", { class: "did" }), make("p", "", { class: "holds" }), buttons);
  at("instances").append(box);
  return box;
}

function showInstance(one, ended) {
  const box = card(one.number);
  box.className = `card ${one.state}`;
  const wait = one.restarts_in === null ? "" : `, back in ${one.restarts_in.toFixed(1)} s`;
  box.querySelector(".state").textContent = ended ? "stopped" : one.state + (one.state === "dead" ? wait : "");
  box.querySelector(".process").textContent = `its ${nth(one.life)} process, ${one.process}, at ${one.address}`;
  box.querySelector(".did").textContent =
    `orders: ${grouped(one.placed)} placed, ${grouped(one.charged)} charged, ${grouped(one.settled)} settled`;
  box.querySelector(".holds").textContent =
    `holds ${grouped(one.holds)} locks${one.projects ? ", keeps the totals" : ""}; ${grouped(one.found)} found charged`;
  const can = { kill: ["serving", "frozen"], freeze: ["serving"], restart: ["serving", "frozen", "dead"] };
  for (const button of box.querySelectorAll("button")) {
    button.disabled = ended || !can[button.dataset.button].includes(one.state);
  }
}

function nth(n) {
  return n + (["th", "st", "nd", "rd"][n % 100 > 10 && n % 100 < 14 ? 0 : n % 10] ?? "th");
}

/** The server that the run has started for itself. */
function showServer(server, ended) {
  at("server").hidden = !server;
  if (!server) return;
  at("server").className = server.state;
  const back = server.back_in === null ? "" : server.back_in > 0 ? `, back in ${server.back_in.toFixed(1)} s` : ", coming back";
  at("server-name").textContent = `${server.name} at ${server.address}`;
  at("server-state").textContent = ended && server.state === "serving" ? "served to the end" : server.state + back;
}

/** A lane for each instance, and for the server of the run's own, and marks on it. */
function showTime(state) {
  const svg = at("time");
  const width = svg.clientWidth || 800;
  const lanes = [...(state.server ? [null] : []), ...state.instances.map((one) => one.number)];
  const [left, height, gap] = [82, 26, 10];
  const end = Math.max(30, state.elapsed);
  const x = (seconds) => left + ((width - left - 12) * seconds) / end;
  const bottom = lanes.length * (height + gap) + 4;
  svg.setAttribute("viewBox", `0 0 ${width} ${bottom + 18}`);
  svg.setAttribute("height", bottom + 18);
  const parts = [];
  for (let second = 0; second <= end; second += end > 90 ? 30 : 5) {
    parts.push(draw("text", { x: x(second), y: bottom + 14, "text-anchor": "middle" }, `${second} s`));
  }
  lanes.forEach((number, index) => {
    const y = index * (height + gap) + 4;
    parts.push(draw("text", { x: 0, y: y + height / 2 + 4 }, number === null ? "server" : `instance ${number}`));
    const mine = state.incidents.filter((one) => one.instance === number);
    let [since, what] = [0, "serving"];
    const lane = (until) => parts.push(draw("rect", {
      class: `lane ${what}`, x: x(since), y, width: Math.max(0, x(until) - x(since)), height,
    }));
    for (const one of mine) {
      const next = { killed: "dead", frozen: "frozen", thawed: "serving", started: "serving" }[one.kind];
      if (!next) continue;
      lane(one.at);
      [since, what] = [one.at, next];
    }
    lane(state.elapsed);
    for (const one of mine) {
      if (["took-over", "refused", "wrong"].includes(one.kind)) {
        const mark = draw("text", { class: `mark ${one.kind}`, x: x(one.at), y: y + height / 2 + 5 }, SIGNS[one.kind]);
        mark.append(draw("title", {}, one.text));
        parts.push(mark);
      }
    }
  });
  svg.replaceChildren(...parts);
}

function showIncidents(incidents) {
  const list = at("incidents");
  // Only what is new, so that nobody's place in the list is lost.
  for (const one of incidents.slice(list.children.length)) {
    const item = make("li", null, { class: one.kind });
    item.append(make("time", `${one.at.toFixed(1)} s`), make("b", SIGNS[one.kind]), make("span", one.text));
    list.prepend(item);
  }
}

function rows(id, all) {
  at(id).replaceChildren(...all.map((cells) => {
    const row = make("tr");
    row.append(...cells.map((cell) => make("td", cell)));
    return row;
  }));
}

function holder(lock) {
  if (lock.holder === null) return "-";
  return `instance ${lock.holder}${lock.frozen ? ", frozen" : lock.dead ? ", dead" : ""}`;
}

/** As short as the list of what happened names orders. */
function cut(name) {
  return name.startsWith("order/") ? name.slice(0, "order/".length + 6) : name;
}

function show(state) {
  const line = at("headline");
  line.textContent = state.headline.text;
  line.className = state.headline.good === null ? "" : state.headline.good ? "good" : "bad";
  document.title = state.headline.text;
  at("note").textContent = state.blind ? `The backend does not answer now: ${state.blind}` : state.headline.note;
  at("broken").hidden = !state.broken;
  at("broken").textContent = state.broken ? `Broken on purpose: ${state.broken}.` : "";
  at("progress").value = state.done / Math.max(1, state.wanted);
  at("done").textContent = `${grouped(state.done)} of ${grouped(state.wanted)} orders answered`;
  at("phase").textContent = state.phase;
  at("elapsed").textContent = `${state.elapsed.toFixed(1)} s`;
  for (const one of state.instances) showInstance(one, state.over);
  showServer(state.server, state.over);
  showTime(state);
  showIncidents(state.incidents);
  at("evidence").replaceChildren(...state.evidence.map((one) =>
    make("li", `${one.what}: ${grouped(one.have)}${one.have < one.need ? ` of ${one.need}` : ""}`, { class: one.have < one.need ? "" : "enough" })));
  at("states").replaceChildren(...["placed", "charged", "settled"].flatMap((what) => [make("dt", what), make("dd", grouped(state.states[what]))]));
  at("cache").textContent = `${grouped(state.cache.hits)} hits, ${grouped(state.cache.loads)} loads from the slow catalogue`;
  rows("locks", state.locks.map((lock) => [cut(lock.name), holder(lock), lock.token, `${(lock.remaining / 1000).toFixed(1)} s`]));
  rows("tail", (state.tail ?? []).map((one) => [one.position.replace(/^0+/, "").slice(-9), one.order.slice(0, 6), one.type, one.what]));
  if (state.report) {
    at("report-section").hidden = false;
    at("report").textContent = state.report;
  }
}

async function poll() {
  try {
    const state = await (await fetch("/state")).json();
    failures = 0;
    if (state) {
      over = state.over;
      show(state);
    }
  } catch (error) {
    failures += 1;
    if (failures === 3) {
      at("phase").textContent = over ? "the run is over; this is how it ended" : "the run was stopped";
      for (const button of document.querySelectorAll("button")) button.disabled = true;
    }
  }
  setTimeout(poll, failures > 3 ? 2000 : EVERY);
}

poll();
