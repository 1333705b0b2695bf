"use strict";
// The bridge to a qcode session: a JSON object a line over a local socket.

const fs = require("node:fs");
const net = require("node:net");
const os = require("node:os");
const path = require("node:path");

const LONGEST = 16 * 1024 * 1024;
const VERSION = 1;

/** Where sessions say that they listen. */
function folder(environment = process.env) {
  const runtime = environment.XDG_RUNTIME_DIR || "";
  if (path.isAbsolute(runtime)) {
    return path.join(runtime, "qcode");
  }
  const state = environment.XDG_STATE_HOME || "";
  const base = path.isAbsolute(state) ? state : path.join(os.homedir(), ".local", "state");
  return path.join(base, "qcode", "run");
}

function sessions(where) {
  let names;
  try {
    names = fs.readdirSync(where);
  } catch {
    return [];
  }
  const found = [];
  for (const name of names.filter((one) => /^\d+\.json$/.test(one))) {
    try {
      const one = JSON.parse(fs.readFileSync(path.join(where, name), "utf8"));
      if ([one.socket, one.token, one.cwd].every((text) => typeof text === "string")) {
        found.push(one);
      }
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

function real(place) {
  try {
    return fs.realpathSync(place);
  } catch {
    return place;
  }
}

/** The session that this window started, or the nearest and newest one of the places. */
function find(places, key, where = folder()) {
  const reals = places.map(real);
  let best = null;
  let rank = -1;
  for (const one of sessions(where)) {
    let found = key && one.key === key ? Number.MAX_SAFE_INTEGER : -1;
    const top = one.cwd.endsWith("/") ? one.cwd : `${one.cwd}/`;
    for (const place of reals) {
      if (place === one.cwd || place.startsWith(top)) {
        found = Math.max(found, one.cwd.length);
      }
    }
    const isNewer = best && found === rank && (one.started || 0) > (best.started || 0);
    if (found > rank || isNewer) {
      best = one;
      rank = found;
    }
  }
  return rank < 0 ? null : best;
}

/** One connection; `on` has a function for each kind of message that the session begins with. */
class Bridge {
  constructor(session, on, closed = () => {}) {
    this.session = session;
    this.isReady = false;
    this.on = on;
    this.closed = closed;
    this.rest = "";
    this.next = 0;
    this.waiting = new Map();
    this.socket = net.createConnection(session.socket);
    this.socket.setEncoding("utf8");
    this.socket.on("data", (text) => this.feed(text));
    this.socket.on("error", () => this.close());
    this.socket.on("close", () => this.close());
  }

  /** Say hello and subscribe; rejected where the session does not let it in. */
  async start(events) {
    await this.ask("hello", { token: this.session.token, client: "vscode", version: VERSION });
    await this.ask("subscribe", { events });
    this.isReady = true;
    return this;
  }

  /** Say something; the answer is resolved, a refusal rejected. */
  ask(type, fields = {}) {
    return new Promise((resolve, reject) => {
      if (this.socket.destroyed) {
        reject(new Error("the session is gone"));
        return;
      }
      const id = ++this.next;
      this.waiting.set(id, { resolve, reject });
      this.socket.write(`${JSON.stringify({ type, id, ...fields })}\n`);
    });
  }

  feed(text) {
    this.rest += text;
    if (this.rest.length > LONGEST) {
      this.close();
      return;
    }
    let at;
    while ((at = this.rest.indexOf("\n")) >= 0) {
      const line = this.rest.slice(0, at);
      this.rest = this.rest.slice(at + 1);
      this.take(line);
    }
  }

  take(line) {
    let message;
    try {
      message = JSON.parse(line);
    } catch {
      this.close();
      return;
    }
    const asked = this.waiting.get(message.id);
    if (asked) {
      this.waiting.delete(message.id);
      if (message.type === "ok") {
        asked.resolve(message);
      } else {
        asked.reject(new Error(String(message.message)));
      }
    } else if (Object.hasOwn(this.on, message.type)) {
      this.on[message.type](message);
    } else if (message.type === "error") {
      this.close(String(message.message));
    }
  }

  close(why = "the session is gone") {
    this.isReady = false;
    this.socket.destroy();
    for (const { reject } of this.waiting.values()) {
      reject(new Error(why));
    }
    this.waiting.clear();
    const closed = this.closed;
    this.closed = () => {};
    closed();
  }
}

module.exports = { Bridge, find, folder };
