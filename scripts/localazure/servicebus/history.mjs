// Duplicate detection: the message ids that an entity saw within its window. Azure compares message ids alone, on entities without
// partitions.

export class History {
  #entity;
  #windowMs;
  #journal;
  #seen; // message id to the end of its window, in order of that end

  // A window of zero detects nothing.
  constructor(entity, windowMs, journal, seen = new Map()) {
    this.#entity = entity;
    this.#windowMs = windowMs;
    this.#journal = journal;
    this.#seen = seen;
  }

  // repeats says whether the message's id was seen within the window, and remembers it if not.
  repeats(message) {
    const id = message.property("messageId");
    if (this.#windowMs === 0 || id === undefined) {
      return false;
    }
    const now = Date.now();
    for (const [old, until] of this.#seen) {
      if (until > now) {
        break;
      }
      this.#seen.delete(old);
    }
    const known = String(id);
    if (this.#seen.has(known)) {
      return true;
    }
    const until = now + this.#windowMs;
    this.#seen.set(known, until);
    this.#journal.record("seen", this.#entity, { id: known, until });
    return false;
  }
}
