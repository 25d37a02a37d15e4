// Does over plain AMQP what azservicebus never does, and prints one line for each answer.
// Arguments: the port, the name of the key, the key.

import crypto from "node:crypto";
import { once } from "node:events";
import rhea from "rhea";

const [port, keyName, key] = process.argv.slice(2);
const container = rhea.create_container();
const connection = container.connect({ host: "127.0.0.1", port, reconnect: false });
await once(connection, "connection_open");

// A link before any token.
const early = connection.open_sender("q");
const [refused] = await once(early, "sender_error");
console.log(`attach without a token: ${refused.sender.error.condition}`);

const audience = encodeURIComponent("sb://x");

async function putToken(expires) {
  const signature = crypto.createHmac("sha256", key).update(`${audience}\n${expires}`).digest("base64");
  const token = `SharedAccessSignature sr=${audience}&sig=${encodeURIComponent(signature)}&se=${expires}&skn=${keyName}`;
  const replies = connection.open_receiver({ source: "$cbs", target: { address: "replies" } });
  const requests = connection.open_sender("$cbs");
  await Promise.all([once(replies, "receiver_open"), once(requests, "sendable")]);
  const properties = { operation: "put-token", type: "servicebus.windows.net:sastoken", name: "sb://x" };
  requests.send({ message_id: 1, reply_to: "replies", application_properties: properties, body: token });
  const [{ message }] = await once(replies, "message");
  return message.application_properties.statusCode;
}

console.log(`expired token: ${await putToken(1)}`);
console.log(`token: ${await putToken(Math.floor(Date.now() / 1000) + 60)}`);

const sender = connection.open_sender("q");
await once(sender, "sendable");

async function send(payload) {
  const delivery = sender.send(payload, undefined, 0);
  const outcome = await Promise.race(["accepted", "rejected"].map(async (name) => (await once(sender, name), name)));
  return outcome === "accepted" ? outcome : delivery.remote_state.error.condition;
}

const whole = rhea.message.encode({ body: "x" });
console.log(`message: ${await send(whole)}`);
console.log(`too large: ${await send(Buffer.alloc(256 * 1024 + 1))}`);
console.log(`cut off: ${await send(whole.subarray(0, whole.length - 1))}`);
console.log(`header no list: ${await send(Buffer.from([0, 0x53, 0x70, 0x41]))}`);
console.log(`no section: ${await send(Buffer.from([0x40]))}`);

// Ten credits for one message; the drain gives nine back.
const receiver = connection.open_receiver({ source: "q", credit_window: 0, autoaccept: true, rcv_settle_mode: 1 });
await once(receiver, "receiver_open");
receiver.add_credit(10);
const [{ delivery }] = await once(receiver, "message");
console.log(`delivery tag: ${delivery.tag.length} bytes`);
await once(receiver, "settled");
receiver.drain_credit();
await once(receiver, "receiver_drained");
console.log(`drained: credit ${receiver.credit}, delivery count ${receiver.delivery_count}`);
await send(whole);
const other = connection.open_receiver({ source: "q", credit_window: 0, autoaccept: true, rcv_settle_mode: 1 });
other.add_credit(1);
await once(other, "settled");
console.log("the next message went to the link with credit");

// A request that cannot be read has nobody to answer to.
const requests = connection.open_sender("$cbs");
await once(requests, "sendable");
requests.send(Buffer.from([0x40]), undefined, 0);
await once(connection, "disconnected");
console.log("malformed request: disconnected");
console.log("done");
