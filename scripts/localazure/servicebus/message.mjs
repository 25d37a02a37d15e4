// One AMQP 1.0 message as the broker keeps it. What the sender wrote in properties and body stays the very bytes it sent; only the
// header, the annotations and the application properties are opened, value by value with their AMQP types, since a value that
// goes through plain JavaScript comes out with another type (a long as a uint).

import rhea from "rhea";

const { types } = rhea;

const HEADER = 0x70;
const DELIVERY_ANNOTATIONS = 0x71;
const MESSAGE_ANNOTATIONS = 0x72;
const PROPERTIES = 0x73;
const APPLICATION_PROPERTIES = 0x74;
const DATA = 0x75;
const FOOTER = 0x78;

// Positions in the lists of AMQP 1.0 section 3.2.1 and 3.2.4.
const HEADER_TTL = 2;
const HEADER_DELIVERY_COUNT = 4;
const PROPERTY_FIELDS = ["messageId", "userId", "to", "subject", "replyTo", "correlationId", "contentType"];

const SCHEDULED_TIME = "x-opt-scheduled-enqueue-time";
// Annotations that only the broker may set.
const BROKER_ANNOTATIONS = [
  "x-opt-sequence-number",
  "x-opt-enqueue-sequence-number",
  "x-opt-enqueued-time",
  "x-opt-locked-until",
  "x-opt-message-state",
];

// BATCH_FORMAT is the message format of a transfer whose data sections are whole messages.
export const BATCH_FORMAT = 0x80013700;

// entries gives the keys and typed values of a typed AMQP map; of anything else, none.
export function entries(map) {
  const found = new Map();
  const flat = map && types.is_map(map) ? map.value : [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    found.set(flat[i].value, flat[i + 1]);
  }
  return found;
}

// fields gives the typed values of a section that must be a list.
function fields(section) {
  if (!types.is_list(section)) {
    throw new TypeError(`message section ${section.descriptor.value} must be a list`);
  }
  return section.value;
}

function* sections(buffer) {
  const reader = new types.Reader(buffer);
  while (reader.remaining() > 0) {
    const start = reader.position;
    const section = reader.read();
    if (!section.descriptor || reader.position > buffer.length) {
      throw new TypeError("a message is made of whole and described sections");
    }
    yield { code: section.descriptor.value, section, bytes: buffer.subarray(start, reader.position) };
  }
}

// unbatch gives the encoded messages inside a batch.
export function unbatch(buffer) {
  const found = [];
  for (const { code, section } of sections(buffer)) {
    if (code === DATA) {
      found.push(section.value);
    }
  }
  return found;
}

// readRequest opens a request to $cbs or $management: its application properties, message id, reply address and body, all typed.
export function readRequest(buffer) {
  const request = { properties: new Map(), id: undefined, replyTo: undefined, body: undefined };
  for (const { code, section } of sections(buffer)) {
    if (code === APPLICATION_PROPERTIES) {
      request.properties = entries(section);
    } else if (code === PROPERTIES) {
      [request.id, , , , request.replyTo] = fields(section);
    } else if (code > DATA && code < FOOTER) {
      request.body = section;
    }
  }
  return request;
}

export class Message {
  #header = [];
  #annotations = new Map();
  #properties = Buffer.alloc(0);
  #fields = [];
  #application = new Map();
  #rest = Buffer.alloc(0); // body and footer

  static parse(buffer) {
    const message = new Message();
    const rest = [];
    for (const { code, section, bytes } of sections(buffer)) {
      if (code === HEADER) {
        message.#header = fields(section);
      } else if (code === MESSAGE_ANNOTATIONS) {
        message.#annotations = entries(section);
      } else if (code === PROPERTIES) {
        message.#properties = bytes;
        message.#fields = fields(section);
      } else if (code === APPLICATION_PROPERTIES) {
        message.#application = entries(section);
      } else if (code >= DATA && code <= FOOTER) {
        rest.push(bytes);
      } else if (code !== DELIVERY_ANNOTATIONS) {
        throw new TypeError(`unknown message section ${code}`);
      }
    }
    message.#rest = Buffer.concat(rest);
    for (const name of BROKER_ANNOTATIONS) {
      message.#annotations.delete(name);
    }
    return message;
  }

  // property gives a field of the properties section, such as subject, or undefined.
  property(name) {
    return this.#fields[PROPERTY_FIELDS.indexOf(name)]?.value ?? undefined;
  }

  // applicationProperty gives the plain value of an application property, or undefined.
  applicationProperty(name) {
    return this.#application.get(name)?.value ?? undefined;
  }

  // ttl is the time to live in milliseconds, or undefined.
  get ttl() {
    return this.#header[HEADER_TTL]?.value ?? undefined;
  }

  // scheduledTime is when the sender wants the message enqueued, in milliseconds since the epoch, or undefined.
  get scheduledTime() {
    const value = this.#annotations.get(SCHEDULED_TIME)?.value;
    return value instanceof Date ? value.getTime() : undefined;
  }

  // with gives a copy with these application properties (name to typed value) added or replaced.
  with(properties) {
    const copy = new Message();
    copy.#header = this.#header;
    copy.#annotations = this.#annotations;
    copy.#properties = this.#properties;
    copy.#fields = this.#fields;
    copy.#rest = this.#rest;
    copy.#application = new Map([...this.#application, ...properties]);
    return copy;
  }

  // encode writes the message with what the broker adds: the delivery count, delivery annotations and annotations (name to typed
  // value).
  encode({ deliveryCount = 0, deliveryAnnotations = new Map(), annotations = new Map() } = {}) {
    const writer = new types.Writer();
    const header = this.#header.slice(0, HEADER_DELIVERY_COUNT);
    while (header.length < HEADER_DELIVERY_COUNT) {
      header.push(types.Null());
    }
    header.push(types.wrap_uint(deliveryCount));
    writer.write(described(HEADER, types.wrap_list(header)));
    writeMap(writer, DELIVERY_ANNOTATIONS, deliveryAnnotations, types.wrap_symbol);
    writeMap(writer, MESSAGE_ANNOTATIONS, new Map([...this.#annotations, ...annotations]), types.wrap_symbol);
    writer.write_bytes(this.#properties);
    writeMap(writer, APPLICATION_PROPERTIES, this.#application, types.wrap_string);
    writer.write_bytes(this.#rest);
    return writer.toBuffer();
  }
}

function described(code, value) {
  return types.described_nc(types.wrap_ulong(code), value);
}

function writeMap(writer, code, map, wrapKey) {
  if (map.size > 0) {
    const flat = [...map].flatMap(([key, value]) => [wrapKey(key), value]);
    writer.write(described(code, types.Map32(flat)));
  }
}
