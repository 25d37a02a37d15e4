// The operations of an entity's $management node, as Service Bus defines them over AMQP request and response.

import rhea from "rhea";
import { Message, entries } from "./message.mjs";
import { LOCK_LOST } from "./queue.mjs";

const { types } = rhea;

const LONG = types.Long.typecode;
const TIMESTAMP = types.Timestamp.typecode;

const KINDS = { completed: "complete", abandoned: "abandon", suspended: "deadLetter", defered: "defer" };

const NOT_FOUND = {
  status: 404,
  condition: "com.microsoft:message-not-found",
  description: "There is no such message in the state that the operation needs.",
};

const GONE = { status: 410, ...LOCK_LOST };

const OPERATIONS = {
  "com.microsoft:schedule-message": (entity, body) => {
    const messages = list(body, "messages").map((item) => Message.parse(entries(item).get("message").value));
    // A duplicate has the number 0: there is nothing to cancel.
    const numbers = entity.enqueue(messages).map((seq) => seq ?? 0);
    return { status: 200, body: { "sequence-numbers": types.wrap_array(numbers, LONG) } };
  },

  "com.microsoft:cancel-scheduled-message": (entity, body) => {
    const cancelled = list(body, "sequence-numbers").map(({ value }) => entity.cancel(value));
    return cancelled.every(Boolean) ? { status: 200 } : NOT_FOUND;
  },

  "com.microsoft:peek-message": (queue, body) => {
    const found = queue.peek(body.get("from-sequence-number").value, body.get("message-count").value);
    return found.length > 0 ? { status: 200, body: messageList(found) } : { status: 204 };
  },

  "com.microsoft:renew-lock": (queue, body) => {
    const ends = list(body, "lock-tokens").map(({ value }) => queue.renew(value));
    return ends.includes(undefined) ? GONE : { status: 200, body: { expirations: types.wrap_array(ends, TIMESTAMP) } };
  },

  "com.microsoft:receive-by-sequence-number": (queue, body, owner) => {
    const removes = body.get("receiver-settle-mode").value === 0;
    const numbers = list(body, "sequence-numbers").map(({ value }) => value);
    const found = queue.receiveDeferred(numbers, owner, removes);
    return found ? { status: 200, body: messageList(found) } : NOT_FOUND;
  },

  "com.microsoft:update-disposition": (queue, body) => {
    const outcome = {
      kind: KINDS[body.get("disposition-status").value],
      properties: entries(body.get("properties-to-modify")),
      reason: body.get("deadletter-reason")?.value,
      description: body.get("deadletter-description")?.value,
    };
    const errors = list(body, "lock-tokens").map(({ value }) => queue.settle(value, outcome)).filter(Boolean);
    return errors.length === 0 ? { status: 200 } : { status: errors[0] === LOCK_LOST ? 410 : 400, ...errors[0] };
  },
};

// The operations that a topic has, too.
const OF_TOPICS = ["com.microsoft:schedule-message", "com.microsoft:cancel-scheduled-message"];

// manage runs a request (see readRequest) on an entity for the connection owner, and gives { status, condition, description, body }.
export function manage(entity, { properties, body }, owner) {
  const name = properties.get("operation")?.value;
  const operation = OPERATIONS[name];
  if (!operation || (!entity.peek && !OF_TOPICS.includes(name))) {
    return { status: 501, condition: "amqp:not-implemented", description: `This broker has no operation '${name}' here.` };
  }
  return operation(entity, entries(body), owner);
}

function list(body, name) {
  return body.get(name).value;
}

function messageList(encoded) {
  return { messages: encoded.map((message) => ({ message })) };
}
