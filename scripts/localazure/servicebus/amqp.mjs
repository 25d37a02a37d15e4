// The AMQP side of the broker: connections, links, credit, settlement, and the request nodes $cbs and $management.

import rhea from "rhea";
import { Answers } from "./answers.mjs";
import { manage } from "./management.mjs";
import { BATCH_FORMAT, Message, entries, readRequest, unbatch } from "./message.mjs";
import { refuse } from "./token.mjs";

const { types } = rhea;

// Azure: a message on the Standard tier has at most 256 KiB.
const MAX_MESSAGE_BYTES = 256 * 1024;
// Deliveries of one session that may be unsettled: each holds a slot until those before it are settled, too.
const SESSION_DELIVERIES = 65536;

const MANAGEMENT = "/$management";
const CBS = "$cbs";

const SETTLED = 1; // sender settle mode

// The broker keeps messages as their senders wrote them, so rhea must hand them over undecoded.
rhea.message.decode = (buffer) => buffer;

// listen serves the namespace on a port of 127.0.0.1 and gives the net.Server.
export function listen({ port, policy, namespace, journal }) {
  const container = rhea.create_container({ id: "airlock-servicebus" });
  const clients = new WeakMap();
  const clientOf = ({ connection }) => {
    if (!clients.has(connection)) {
      clients.set(connection, new Client({ connection, policy, namespace, journal }));
    }
    return clients.get(connection);
  };
  container.on("sender_open", (context) => clientOf(context).openSender(context.sender));
  container.on("receiver_open", (context) => clientOf(context).openReceiver(context.receiver));
  container.on("message", (context) => clientOf(context).take(context));
  container.on("sender_flow", ({ sender }) => sender.consumer?.queue.dispatch());
  container.on("sender_draining", ({ sender }) => sender.consumer?.drain());
  for (const outcome of ["accepted", "rejected", "released", "modified"]) {
    container.on(outcome, (context) => clientOf(context).settle(context, outcome));
  }
  container.on("sender_close", (context) => clientOf(context).closeSender(context.sender));
  container.on("session_close", (context) => clientOf(context).closeSession(context.session));
  container.on("connection_close", (context) => clientOf(context).close());
  container.on("disconnected", (context) => clientOf(context).lose());
  // An error ends its own connection only; the client connects again.
  for (const trouble of ["error", "protocol_error"]) {
    container.on(trouble, (error) => console.error(`${trouble}: ${error.stack ?? error}`));
  }
  return container.listen({
    host: "127.0.0.1",
    port,
    tcp_no_delay: true, // without it each answer waits for the client's delayed acknowledgement
    session_buffer_size: SESSION_DELIVERIES,
    autoaccept: false,
    treat_modified_as_released: false,
  });
}

// Client is one connection.
class Client {
  #connection;
  #policy;
  #namespace;
  #journal;
  #answers;
  #consumers = new Set();
  #replies = new Map(); // reply address to the sender that serves it
  #authorized = false;

  constructor({ connection, policy, namespace, journal }) {
    this.#connection = connection;
    this.#policy = policy;
    this.#namespace = namespace;
    this.#journal = journal;
    this.#answers = new Answers(journal);
  }

  // openSender answers the attach of a link on which the client receives.
  openSender(sender) {
    const address = sender.source?.address ?? "";
    if (isRequestNode(address)) {
      if (this.#admit(sender, address)) {
        this.#replies.set(sender.target?.address, sender);
      }
      return;
    }
    const { entity, error } = this.#namespace.receiveSource(address);
    if (!this.#admit(sender, address, error)) {
      return;
    }
    const consumer = new Consumer(sender, entity, this.#connection);
    sender.consumer = consumer;
    this.#consumers.add(consumer);
    // A client may send its first flow along with its attach. rhea writes transfers before attaches, so the first transfer must
    // wait for the turn after the one that writes the attach.
    process.nextTick(() => {
      if (this.#consumers.has(consumer)) {
        entity.subscribe(consumer);
      }
    });
  }

  // openReceiver answers the attach of a link on which the client sends.
  openReceiver(receiver) {
    const address = receiver.target?.address ?? "";
    if (isRequestNode(address)) {
      this.#admit(receiver, address);
      return;
    }
    const { entity, error } = this.#namespace.sendTarget(address);
    if (this.#admit(receiver, address, error ?? this.#namespace.sendRefusal(entity))) {
      receiver.entity = entity;
      receiver.local.attach.max_message_size = MAX_MESSAGE_BYTES;
    }
  }

  // admit completes an attach, or refuses it, and says which. The settle modes must be those that the client asked for, and the
  // addresses are written anew: what rhea read of them cannot be written back.
  #admit(link, address, error) {
    if (address !== CBS && !this.#authorized) {
      error = { condition: "amqp:unauthorized-access", description: "Unauthorized access. A valid token is required." };
    }
    if (error) {
      link.close(error);
      return false;
    }
    for (const mode of ["snd_settle_mode", "rcv_settle_mode"]) {
      link.local.attach[mode] = link[mode];
    }
    link.set_source({ address: link.source?.address });
    link.set_target({ address: link.target?.address });
    return true;
  }

  // take handles a transfer: a request to $cbs or $management, or messages for an entity.
  take({ receiver, message: bytes, delivery }) {
    if (!receiver.entity) {
      this.#answers.settle(delivery, "accepted");
      // In the next turn, since the link for the reply may have been attached in this one.
      const request = readRequest(bytes);
      process.nextTick(() => this.#request(receiver.target?.address, request));
      return;
    }
    if (bytes.length > MAX_MESSAGE_BYTES) {
      const description = `A message may have ${MAX_MESSAGE_BYTES} bytes; this one has ${bytes.length}.`;
      this.#answers.settle(delivery, undefined, { condition: "amqp:link:message-size-exceeded", description });
      return;
    }
    const refusal = this.#namespace.sendRefusal(receiver.entity);
    if (refusal) {
      this.#answers.settle(delivery, undefined, refusal);
      return;
    }
    let messages;
    try {
      messages = (delivery.format === BATCH_FORMAT ? unbatch(bytes) : [bytes]).map((one) => Message.parse(one));
    } catch (error) {
      this.#answers.settle(delivery, undefined, { condition: "amqp:decode-error", description: error.message });
      return;
    }
    receiver.entity.enqueue(messages);
    this.#answers.settle(delivery, "accepted");
  }

  #request(address, request) {
    const answer = address === CBS ? this.#putToken(request) : this.#manage(address, request);
    const { status, condition, description = "", body } = answer;
    const properties = { statusCode: types.wrap_int(status), statusDescription: description };
    if (condition) {
      properties.errorCondition = types.wrap_symbol(condition);
    }
    const reply = { correlation_id: request.id, application_properties: properties, body: body ?? null };
    this.#journal.flush();
    this.#replies.get(request.replyTo?.value)?.send(rhea.message.encode(reply), undefined, 0);
  }

  #putToken({ properties, body }) {
    const refusal = properties.get("operation")?.value === "put-token"
      ? refuse(body?.value, this.#policy, Date.now())
      : "the only operation here is put-token";
    if (refusal) {
      return { status: 401, condition: "amqp:unauthorized-access", description: refusal };
    }
    this.#authorized = true;
    return { status: 202, description: "Accepted" };
  }

  #manage(address, request) {
    const { entity, error } = this.#namespace.any(address.slice(0, -MANAGEMENT.length));
    if (error) {
      return { status: 404, ...error };
    }
    try {
      return manage(entity, request, this.#connection);
    } catch (fault) {
      return { status: 400, condition: "amqp:decode-error", description: fault.message };
    }
  }

  // settle handles the outcome that the client gave to a delivery.
  settle({ sender, delivery }, outcome) {
    if (!sender.consumer) {
      return;
    }
    const error = sender.consumer.queue.settle(swap(delivery.tag), readOutcome(outcome, delivery.remote_state));
    this.#answers.settle(delivery, outcome, error);
  }

  closeSender(sender) {
    if (sender.consumer) {
      this.#consumers.delete(sender.consumer);
      sender.consumer.queue.unsubscribe(sender.consumer);
    }
    for (const [address, other] of this.#replies) {
      if (other === sender) {
        this.#replies.delete(address);
      }
    }
  }

  closeSession(session) {
    session.each_sender((sender) => this.closeSender(sender));
  }

  // close ends the links of a connection that said goodbye. Its locks stay until they expire: the client may have more connections,
  // and opens new ones when it recovers from an error, over which it can still settle.
  close() {
    for (const consumer of this.#consumers) {
      consumer.queue.unsubscribe(consumer);
    }
    this.#consumers.clear();
    this.#replies.clear();
  }

  // lose also gives back what the connection held, at once: whoever held it has died.
  lose() {
    this.close();
    this.#namespace.abandonAll(this.#connection);
  }
}

// Consumer is a link on which the client receives from a queue.
class Consumer {
  #sender;
  #sent = 0;

  constructor(sender, queue, owner) {
    this.#sender = sender;
    this.queue = queue;
    this.owner = owner;
    this.removes = sender.snd_settle_mode === SETTLED;
  }

  // credit is what the client still wants. rhea counts a delivery only when it writes it, which is later than deliver.
  credit() {
    if (!this.#sender.is_open() || this.#sender.session.outgoing.available() === 0) {
      return 0;
    }
    return this.#limit() - this.#sent;
  }

  deliver(token, bytes) {
    this.#sent++;
    this.#sender.send(bytes, swap(token), 0);
  }

  // drain uses up the credit that no message is there for.
  drain() {
    this.queue.dispatch();
    this.#sent = this.#limit();
    this.#sender.set_drained(true);
  }

  // limit is how many deliveries the client has allowed since the attach.
  #limit() {
    return this.#sender.delivery_count + this.#sender.credit;
  }
}

function isRequestNode(address) {
  return address === CBS || address.endsWith(MANAGEMENT);
}

// swap turns a lock token into a delivery tag and back. Service Bus writes the tag in the byte order of a .NET GUID.
function swap(bytes) {
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  return Buffer.from(order.map((at) => bytes[at]));
}

// readOutcome turns the client's outcome into one of Queue.settle.
function readOutcome(outcome, { value: fields }) {
  switch (outcome) {
    case "accepted":
      return { kind: "complete" };
    case "released":
      return { kind: "release" };
    case "modified": // fields: delivery-failed, undeliverable-here, message-annotations
      return { kind: fields[1]?.value ? "defer" : "abandon", properties: entries(fields[2]) };
    default: {
      // rejected; its field is an error: condition, description, info
      const properties = entries(fields[0]?.value?.[2]);
      const reason = properties.get("DeadLetterReason")?.value;
      const description = properties.get("DeadLetterErrorDescription")?.value;
      return { kind: "deadLetter", properties, reason, description };
    }
  }
}
