// A queue, a subscription, or the dead-letter queue of either: messages in order of their sequence numbers, handed to consumers
// under a lock until one of them settles them.

import { randomBytes } from "node:crypto";
import rhea from "rhea";
import { alarm } from "./alarm.mjs";
import { History } from "./history.mjs";
import { Message } from "./message.mjs";

const { types } = rhea;

// The values of x-opt-message-state.
const ACTIVE = 0;
const DEFERRED = 1;
const SCHEDULED = 2;

// Lost is why a settlement or a renewal of a lock that is gone is refused.
export const LOCK_LOST = {
  condition: "com.microsoft:message-lock-lost",
  description: "The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue.",
};

export class Queue {
  #name;
  #lockMs;
  #maxDeliveryCount;
  #deadLetters; // Queue, or undefined for a dead-letter queue, which keeps what it has
  #journal;
  #history;
  #next;
  #totals;
  #entries = new Map(); // every message, by sequence number
  #ready = []; // the active and unlocked ones, by sequence number
  #locked = new Map(); // the locked ones, by lock token
  #consumers = [];

  constructor({ name, lockMs, maxDeliveryCount, duplicateMs = 0, deadLetters, journal, state }) {
    this.#name = name;
    this.#lockMs = lockMs;
    this.#maxDeliveryCount = maxDeliveryCount;
    this.#deadLetters = deadLetters;
    this.#journal = journal;
    this.#history = new History(name, duplicateMs, journal, state?.seen);
    this.#next = state?.next ?? 1;
    this.#totals = state?.totals ?? { sent: 0, duplicates: 0 };
    const stored = [...(state?.messages.values() ?? [])].sort((a, b) => a.seq - b.seq);
    for (const { body, ...entry } of stored) {
      this.#place({ ...entry, message: Message.parse(Buffer.from(body, "base64")) });
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
      return this.add(message);
    });
    this.#journal.record("totals", this.#name, this.#totals);
    this.dispatch();
    return numbers;
  }

  // add puts one message behind the others and gives its sequence number; dispatch hands it out.
  add(message, enqueuedSeq = 0) {
    const now = Date.now();
    const seq = this.#next++;
    const due = message.scheduledTime;
    const state = due > now ? SCHEDULED : ACTIVE;
    this.#store({ seq, enqueuedSeq, enqueuedAt: now, state, due, deliveryCount: 0, message });
    return seq;
  }

  // copy is add for a message that was sent to a topic, and counts as sent to this subscription.
  copy(message, enqueuedSeq) {
    this.#totals.sent++;
    this.#journal.record("totals", this.#name, this.#totals);
    this.add(message, enqueuedSeq);
    this.dispatch();
  }

  // cancel removes a message that is still scheduled. It says whether there was one.
  cancel(seq) {
    const entry = this.#entries.get(seq);
    if (entry?.state !== SCHEDULED) {
      return false;
    }
    this.#remove(entry);
    return true;
  }

  // peek gives up to count encoded messages in any state from a sequence number on, and changes nothing.
  peek(from, count) {
    return [...this.#entries.values()]
      .filter((entry) => entry.seq >= from)
      .sort((a, b) => a.seq - b.seq)
      .slice(0, count)
      .map((entry) => encode(entry));
  }

  // subscribe adds a consumer: { owner, removes, credit(), deliver(token, bytes) }. One that removes takes messages for good.
  subscribe(consumer) {
    this.#consumers.push(consumer);
    this.dispatch();
  }

  // unsubscribe removes a consumer. Its locks stay: the messages can still be settled by their tokens.
  unsubscribe(consumer) {
    this.#consumers = this.#consumers.filter((other) => other !== consumer);
  }

  // dispatch hands out what is ready, to each consumer with credit in turn.
  dispatch() {
    while (this.#ready.length > 0) {
      const turn = this.#consumers.findIndex((consumer) => consumer.credit() > 0);
      if (turn < 0) {
        return;
      }
      const [consumer] = this.#consumers.splice(turn, 1);
      this.#consumers.push(consumer);
      const entry = this.#ready.shift();
      if (consumer.removes) {
        const bytes = encode(entry);
        this.#remove(entry);
        consumer.deliver(randomBytes(16), bytes);
      } else {
        const token = this.#lock(entry, consumer.owner);
        consumer.deliver(token, encode(entry));
      }
    }
  }

  // receiveDeferred gives deferred messages by their sequence numbers, each with its token in a delivery annotation; undefined when
  // one of them is not there. They are locked, or gone when removes is set.
  receiveDeferred(numbers, owner, removes) {
    const found = numbers.map((seq) => this.#entries.get(seq));
    if (!found.every((entry) => entry?.state === DEFERRED && !entry.lock)) {
      return undefined;
    }
    return found.map((entry) => {
      if (removes) {
        this.#remove(entry);
        return encode(entry);
      }
      const token = this.#lock(entry, owner);
      return encode(entry, new Map([["x-opt-lock-token", types.wrap_uuid(token)]]));
    });
  }

  // renew prolongs a lock and gives its new end in milliseconds since the epoch, or undefined when the lock is lost.
  renew(token) {
    const entry = this.#locked.get(key(token));
    if (!entry) {
      return undefined;
    }
    this.#setLock(entry, token, entry.lock.owner);
    return entry.lock.until;
  }

  // settle ends a lock. outcome is { kind, properties, reason, description } with kind complete, abandon, release, defer or deadLetter.
  // It gives undefined, or the error for the client.
  settle(token, { kind, properties = new Map(), reason, description }) {
    const entry = this.#locked.get(key(token));
    if (!entry) {
      return LOCK_LOST;
    }
    if (kind === "deadLetter" && !this.#deadLetters) {
      return { condition: "amqp:not-allowed", description: "A message in a dead-letter queue cannot be dead-lettered again." };
    }
    this.#unlock(entry);
    if (properties.size > 0 && kind !== "deadLetter") {
      entry.message = entry.message.with(properties);
      this.#write(entry);
    }
    switch (kind) {
      case "complete":
        this.#remove(entry);
        break;
      case "defer":
        entry.state = DEFERRED;
        this.#write(entry);
        break;
      case "deadLetter":
        this.#deadLetter(entry, reason, description, properties);
        break;
      case "release":
        this.#release(entry);
        break;
      default:
        this.#abandon(entry);
    }
    return undefined;
  }

  // abandonAll gives back every message that owner holds, as if each lock had expired.
  abandonAll(owner) {
    for (const entry of [...this.#locked.values()].filter(({ lock }) => lock.owner === owner)) {
      this.#unlock(entry);
      this.#abandon(entry);
    }
  }

  counts() {
    const count = (wanted) => [...this.#entries.values()].filter(({ state }) => state === wanted).length;
    return {
      ...this.#totals,
      active: count(ACTIVE),
      locked: this.#locked.size,
      scheduled: count(SCHEDULED),
      deferred: count(DEFERRED),
      deadLettered: this.#deadLetters?.counts().active ?? 0,
    };
  }

  #store(entry) {
    this.#place(entry);
    this.#write(entry);
  }

  // place puts an entry where its state belongs.
  #place(entry) {
    this.#entries.set(entry.seq, entry);
    if (entry.state === SCHEDULED) {
      entry.disarm = alarm(entry.due, () => this.#activate(entry));
    } else if (entry.state === ACTIVE) {
      this.#makeReady(entry);
    }
  }

  // activate enqueues a scheduled message at its time, under a new sequence number behind the messages that were there before.
  #activate(entry) {
    this.#remove(entry);
    this.#store({ ...entry, seq: this.#next++, enqueuedSeq: entry.seq, enqueuedAt: Date.now(), state: ACTIVE });
    this.dispatch();
  }

  #makeReady(entry) {
    const end = entry.enqueuedAt + (entry.message.ttl ?? Infinity);
    if (this.#deadLetters && end <= Date.now()) {
      this.#remove(entry);
      return;
    }
    insert(this.#ready, entry);
    if (this.#deadLetters && end < Infinity) {
      entry.disarm = alarm(end, () => this.#remove(entry));
    }
  }

  #lock(entry, owner) {
    const token = randomBytes(16);
    this.#setLock(entry, token, owner);
    this.#locked.set(key(token), entry);
    return token;
  }

  #setLock(entry, token, owner) {
    entry.disarm?.();
    const until = Date.now() + this.#lockMs;
    entry.lock = { token, owner, until };
    entry.disarm = alarm(until, () => {
      this.#unlock(entry);
      this.#abandon(entry);
    });
  }

  #unlock(entry) {
    entry.disarm();
    entry.disarm = undefined;
    this.#locked.delete(key(entry.lock.token));
    entry.lock = undefined;
  }

  // abandon counts a failed delivery, the last of which dead-letters the message.
  #abandon(entry) {
    entry.deliveryCount++;
    this.#journal.record("count", this.#name, { seq: entry.seq, deliveryCount: entry.deliveryCount });
    if (this.#deadLetters && entry.deliveryCount >= this.#maxDeliveryCount) {
      const description = `Message could not be consumed after ${this.#maxDeliveryCount} delivery attempts.`;
      this.#deadLetter(entry, "MaxDeliveryCountExceeded", description, new Map());
      return;
    }
    this.#release(entry);
  }

  #release(entry) {
    if (entry.state === ACTIVE) {
      this.#makeReady(entry);
      this.dispatch();
    }
  }

  #deadLetter(entry, reason, description, properties) {
    const told = new Map(properties);
    if (reason !== undefined) {
      told.set("DeadLetterReason", types.wrap_string(reason));
    }
    if (description !== undefined) {
      told.set("DeadLetterErrorDescription", types.wrap_string(description));
    }
    this.#deadLetters.#store({ ...entry, state: ACTIVE, disarm: undefined, message: entry.message.with(told) });
    this.#remove(entry);
    this.#deadLetters.dispatch();
  }

  #remove(entry) {
    entry.disarm?.();
    entry.disarm = undefined;
    this.#entries.delete(entry.seq);
    const at = position(this.#ready, entry.seq);
    if (this.#ready[at] === entry) {
      this.#ready.splice(at, 1);
    }
    this.#journal.record("del", this.#name, { seq: entry.seq });
  }

  #write({ seq, enqueuedSeq, enqueuedAt, state, due, deliveryCount, message }) {
    const body = message.encode().toString("base64");
    this.#journal.record("put", this.#name, { seq, enqueuedSeq, enqueuedAt, state, due, deliveryCount, body });
  }
}

// encode gives a message as a consumer sees it.
function encode({ seq, enqueuedSeq, enqueuedAt, state, deliveryCount, lock, message }, deliveryAnnotations = new Map()) {
  const annotations = new Map([
    ["x-opt-sequence-number", types.wrap_long(seq)],
    ["x-opt-enqueue-sequence-number", types.wrap_long(enqueuedSeq)],
    ["x-opt-enqueued-time", types.wrap_timestamp(enqueuedAt)],
    ["x-opt-message-state", types.wrap_int(state)],
  ]);
  if (lock) {
    annotations.set("x-opt-locked-until", types.wrap_timestamp(lock.until));
  }
  return message.encode({ deliveryCount, deliveryAnnotations, annotations });
}

function key(token) {
  return token.toString("hex");
}

// position is the index of the first entry whose sequence number is not below seq.
function position(ready, seq) {
  let [low, high] = [0, ready.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ready[middle].seq < seq) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

function insert(ready, entry) {
  ready.splice(position(ready, entry.seq), 0, entry);
}
