// A topic hands a copy of each message to every subscription whose filter it passes. It keeps only scheduled messages, until their
// time comes.

import { alarm } from "./alarm.mjs";
import { History } from "./history.mjs";
import { Message } from "./message.mjs";

export class Topic {
  #name;
  #journal;
  #subscriptions; // [{ queue, filter }]
  #history;
  #next;
  #totals;
  #scheduled = new Map(); // by sequence number

  constructor({ name, duplicateMs, subscriptions, journal, state }) {
    this.#name = name;
    this.#journal = journal;
    this.#subscriptions = subscriptions;
    this.#history = new History(name, duplicateMs, journal, state?.seen);
    this.#next = state?.next ?? 1;
    this.#totals = state?.totals ?? { sent: 0, duplicates: 0 };
    for (const { seq, due, body } of state?.messages.values() ?? []) {
      this.#arm(seq, due, Message.parse(Buffer.from(body, "base64")));
    }
  }

  // enqueue takes messages from a sender and gives their sequence numbers. A duplicate is dropped and has none.
  enqueue(messages) {
    const numbers = messages.map((message) => {
      if (this.#history.repeats(message)) {
        this.#totals.duplicates++;
        return undefined;
      }
      this.#totals.sent++;
      return this.#take(message);
    });
    this.#journal.record("totals", this.#name, this.#totals);
    return numbers;
  }

  // cancel removes a message that is still scheduled. It says whether there was one.
  cancel(seq) {
    const entry = this.#scheduled.get(seq);
    if (entry) {
      entry.disarm();
      this.#forget(seq);
    }
    return entry !== undefined;
  }

  counts() {
    const none = { active: 0, locked: 0, deferred: 0, deadLettered: 0 };
    return { ...this.#totals, ...none, scheduled: this.#scheduled.size };
  }

  #take(message) {
    const seq = this.#next++;
    const due = message.scheduledTime;
    if (due > Date.now()) {
      this.#journal.record("put", this.#name, { seq, due, body: message.encode().toString("base64") });
      this.#arm(seq, due, message);
      return seq;
    }
    // A message that no subscription wants leaves nothing but its number.
    this.#journal.record("next", this.#name, { seq: this.#next });
    this.#fanOut(seq, message);
    return seq;
  }

  #arm(seq, due, message) {
    const disarm = alarm(due, () => {
      this.#forget(seq);
      this.#fanOut(seq, message);
    });
    this.#scheduled.set(seq, { disarm });
  }

  #forget(seq) {
    this.#scheduled.delete(seq);
    this.#journal.record("del", this.#name, { seq });
  }

  #fanOut(seq, message) {
    for (const { queue, filter } of this.#subscriptions) {
      if (passes(filter, message)) {
        queue.copy(message, seq);
      }
    }
  }
}

// passes says whether a message has every property that the filter names, as a string of the same value. Azure: a correlation filter
// compares for equality and all its conditions must hold. No filter lets everything pass.
function passes(filter, message) {
  const { properties = {}, ...fields } = filter ?? {};
  return (
    Object.entries(fields).every(([name, value]) => message.property(name) === value) &&
    Object.entries(properties).every(([name, value]) => message.applicationProperty(name) === value)
  );
}
