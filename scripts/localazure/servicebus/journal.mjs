// The journal keeps what the broker holds in a file of JSON lines, so that it survives a restart or a kill. A change is written
// before any client is told of it (the broker flushes first, then answers). It is not synced to the disk: it outlives the
// process, not the machine.

import fs from "node:fs";

// State is what the journal says of one queue, subscription, topic or dead-letter queue.
class State {
  next = 1; // sequence number of the next message
  messages = new Map(); // by sequence number
  totals = { sent: 0, duplicates: 0 };
  seen = new Map(); // message id to the end of its duplicate detection window
}

const REPLAY = {
  put(state, { seq, ...rest }) {
    state.messages.set(seq, { seq, ...rest });
    state.next = Math.max(state.next, seq + 1);
  },
  del(state, { seq }) {
    state.messages.delete(seq);
  },
  count(state, { seq, deliveryCount }) {
    state.messages.get(seq).deliveryCount = deliveryCount;
  },
  next(state, { seq }) {
    state.next = Math.max(state.next, seq);
  },
  totals(state, { sent, duplicates }) {
    state.totals = { sent, duplicates };
  },
  seen(state, { id, until }) {
    // Deleted first so that the map stays in order of expiry.
    state.seen.delete(id);
    state.seen.set(id, until);
  },
};

export class Journal {
  #file;
  #fd = null;
  #pending = [];

  // A journal without a file remembers nothing.
  constructor(file) {
    this.#file = file;
  }

  // load reads the file, replaces it by a compact one, and gives the State of each entity by name.
  load() {
    const states = new Map();
    if (!this.#file) {
      return states;
    }
    const text = fs.existsSync(this.#file) ? fs.readFileSync(this.#file, "utf8") : "";
    const lines = text.split("\n");
    lines.pop(); // empty after the last newline; otherwise a line whose writing was cut off, which nobody was told of
    for (const [number, line] of lines.entries()) {
      try {
        const { op, entity, ...rest } = JSON.parse(line);
        if (!states.has(entity)) {
          states.set(entity, new State());
        }
        REPLAY[op](states.get(entity), rest);
      } catch (error) {
        throw new Error(`${this.#file}, line ${number + 1}: ${error.message}`);
      }
    }
    this.#compact(states);
    return states;
  }

  #compact(states) {
    const fresh = `${this.#file}.new`;
    fs.writeFileSync(fresh, "", { mode: 0o600 });
    this.#fd = fs.openSync(fresh, "a");
    const now = Date.now();
    for (const [entity, state] of states) {
      this.record("next", entity, { seq: state.next });
      this.record("totals", entity, state.totals);
      for (const message of state.messages.values()) {
        this.record("put", entity, message);
      }
      for (const [id, until] of state.seen) {
        if (until > now) {
          this.record("seen", entity, { id, until });
        }
      }
    }
    this.flush();
    fs.renameSync(fresh, this.#file);
  }

  // record notes a change. It reaches the file with the next flush, at the latest when the current event is done.
  record(op, entity, rest) {
    if (this.#fd === null) {
      return;
    }
    if (this.#pending.length === 0) {
      process.nextTick(() => this.flush());
    }
    this.#pending.push(JSON.stringify({ op, entity, ...rest }) + "\n");
  }

  flush() {
    if (this.#pending.length > 0) {
      const text = this.#pending.join("");
      this.#pending = [];
      fs.appendFileSync(this.#fd, text);
    }
  }
}
