// A local Service Bus. The only argument is a JSON object:
//
//   { port, dataFile, keyName, key,
//     queues: [{ name, lockMs, maxDeliveryCount, duplicateMs }],
//     topics: [{ name, duplicateMs, subscriptions: [{ name, lockMs, maxDeliveryCount, filter }] }] }
//
// A port of 0 takes a free one; an empty dataFile keeps nothing. When it serves, it prints one line: { "amqp": port, "http": port }.
// GET /stats on the http port gives the counts of every entity; PUT /send-disabled?entity=NAME makes a queue or topic refuse what
// is sent to it, and DELETE of the same ends that. SIGTERM ends it.

import { once } from "node:events";
import http from "node:http";
import { listen } from "./amqp.mjs";
import { Journal } from "./journal.mjs";
import { Namespace } from "./namespace.mjs";

const options = JSON.parse(process.argv[2]);
const journal = new Journal(options.dataFile);
const namespace = new Namespace(options, journal);

const amqp = listen({ port: options.port, policy: options, namespace, journal });
await once(amqp, "listening");

// answer gives the status and the body for a request to the http port.
function answer(method, { pathname, searchParams }) {
  if (pathname === "/stats" && method === "GET") {
    return [200, namespace.stats()];
  }
  if (pathname === "/send-disabled" && (method === "PUT" || method === "DELETE")) {
    const error = namespace.setSendDisabled(searchParams.get("entity"), method === "PUT");
    return error ? [404, error] : [200, {}];
  }
  return [404, { error: "not found" }];
}

const control = http.createServer((request, response) => {
  const [status, body] = answer(request.method, new URL(request.url, "http://localhost"));
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
});
control.listen(0, "127.0.0.1");
await once(control, "listening");

process.once("SIGTERM", () => {
  journal.flush();
  process.exit(0);
});

console.log(JSON.stringify({ amqp: amqp.address().port, http: control.address().port }));
