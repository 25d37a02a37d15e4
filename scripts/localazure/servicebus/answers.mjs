// The outcomes that the broker sends for transfers and settlements of one connection.

import rhea from "rhea";

const { message } = rhea;

export class Answers {
  #journal;
  #queue = [];

  constructor(journal) {
    this.#journal = journal;
  }

  // settle answers a delivery with an outcome, or refuses it with an error { condition, description }.
  settle(delivery, outcome, error) {
    if (this.#queue.length === 0) {
      process.nextTick(() => this.#send());
    }
    this.#queue.push({ delivery, outcome, error });
  }

  // send writes what is due. rhea joins the dispositions of one turn that stand next to each other, and compares only from the
  // third on: an error beside another outcome would be lost. So an outcome that is not a plain accept has a turn to itself.
  #send() {
    this.#journal.flush();
    const plain = ({ outcome, error }) => outcome === "accepted" && !error;
    let count = this.#queue.findIndex((answer) => !plain(answer));
    count = count < 0 ? this.#queue.length : Math.max(count, 1);
    for (const { delivery, outcome, error } of this.#queue.splice(0, count)) {
      const state = error ? message.rejected({ error }) : message[outcome]({});
      delivery.update(true, state.described());
    }
    if (this.#queue.length > 0) {
      process.nextTick(() => this.#send());
    }
  }
}
