// The namespace: the entities that the options name, found by their addresses. As in Azure, an address is a path and its case does
// not matter.

import { Queue } from "./queue.mjs";
import { Topic } from "./topic.mjs";

const DEAD_LETTERS = "/$deadletterqueue";

export class Namespace {
  #entities = new Map(); // by path in lower case: { entity, path, kind }
  #journal;
  #states;
  #closed = new Set(); // entities whose status is SendDisabled

  constructor({ queues, topics }, journal) {
    this.#journal = journal;
    this.#states = journal.load();
    for (const queue of queues) {
      this.#addQueue("queue", queue.name, queue);
    }
    for (const { name, duplicateMs, subscriptions } of topics) {
      const fed = subscriptions.map((subscription) => ({
        queue: this.#addQueue("subscription", `${name}/Subscriptions/${subscription.name}`, subscription),
        filter: subscription.filter,
      }));
      const topic = new Topic({ name, duplicateMs, subscriptions: fed, journal, state: this.#take(name) });
      this.#add("topic", name, topic);
    }
    for (const [name, { messages }] of this.#states) {
      if (messages.size > 0) {
        throw new Error(`the data file holds ${messages.size} messages of ${name}, which is not an entity of this broker`);
      }
    }
  }

  // sendTarget gives the queue or topic at an address, or an error in the form of AMQP.
  sendTarget(address) {
    return this.#find(address, ["queue", "topic"]);
  }

  // setSendDisabled sets the status of a queue or topic: SendDisabled, or Active again. It gives an error if there is none.
  setSendDisabled(address, disabled) {
    const { entity, error } = this.sendTarget(address);
    if (entity) {
      this.#closed[disabled ? "add" : "delete"](entity);
    }
    return error;
  }

  // sendRefusal is why an entity takes no message now, as an error in the form of AMQP; undefined: it does.
  sendRefusal(entity) {
    if (this.#closed.has(entity)) {
      return { condition: "com.microsoft:entity-disabled", description: "Messaging entity is currently disabled." };
    }
  }

  // receiveSource gives the queue, subscription or dead-letter queue at an address, or an error in the form of AMQP.
  receiveSource(address) {
    return this.#find(address, ["queue", "subscription", "deadLetters"]);
  }

  // any gives whatever is at an address, or an error in the form of AMQP.
  any(address) {
    return this.#find(address, ["queue", "topic", "subscription", "deadLetters"]);
  }

  // abandonAll gives back every message that a lost connection held.
  abandonAll(owner) {
    for (const { entity, kind } of this.#entities.values()) {
      if (kind !== "topic") {
        entity.abandonAll(owner);
      }
    }
  }

  // stats gives the counts of each queue, topic and subscription by path.
  stats() {
    const told = [...this.#entities.values()].filter(({ kind }) => kind !== "deadLetters");
    return Object.fromEntries(told.map(({ path, kind, entity }) => [path, { kind, ...entity.counts() }]));
  }

  #addQueue(kind, path, { lockMs, maxDeliveryCount, duplicateMs }) {
    const journal = this.#journal;
    const deadPath = path + DEAD_LETTERS;
    const deadLetters = new Queue({ name: deadPath, lockMs, journal, state: this.#take(deadPath) });
    const state = this.#take(path);
    const queue = new Queue({ name: path, lockMs, maxDeliveryCount, duplicateMs, deadLetters, journal, state });
    this.#add(kind, path, queue);
    this.#add("deadLetters", deadPath, deadLetters);
    return queue;
  }

  #add(kind, path, entity) {
    const id = path.toLowerCase();
    if (this.#entities.has(id)) {
      throw new Error(`two entities are called ${path}`);
    }
    this.#entities.set(id, { entity, path, kind });
  }

  #take(name) {
    const state = this.#states.get(name);
    this.#states.delete(name);
    return state;
  }

  #find(address, kinds) {
    const found = this.#entities.get(String(address).toLowerCase());
    if (!found) {
      const description = `The messaging entity '${address}' could not be found.`;
      return { error: { condition: "amqp:not-found", description } };
    }
    if (!kinds.includes(found.kind)) {
      return { error: { condition: "amqp:not-allowed", description: `'${found.path}' cannot be used in this direction.` } };
    }
    return { entity: found.entity };
  }
}
