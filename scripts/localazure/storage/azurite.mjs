// Starts Azurite in this process, with ten things that it lacks.
//
// Accounts can be added while it runs. Azurite itself looks at AZURITE_ACCOUNTS only once a minute; here a line on standard input,
// "accounts <value>", sets that variable and makes every account store read it at once, and the answer "accounts read" says so.
//
// A user delegation SAS may name who is authorised and a correlation id (saoid, suoid, scid). They are part of what is signed, and
// Azurite takes them for empty, so that it refuses every SAS that has one.
//
// A copy whose source fails its condition is refused with SourceConditionNotMet, which tells a changed source from a changed target.
// Azurite says ConditionNotMet for both.
//
// The source of a copy is shown on the copy, as a public address without its query. Azurite shows its own address, signature and all.
//
// The parts of an entity group transaction name their entity by its URL. Azurite finds the table in it only where the account is in the
// path, and fails with 500 on virtual host names.
//
// A query of a range of one partition reads that range in the order of its keys, and stops where the page ends; one of a partition looks
// at the rows of that partition. Azurite asks every row of the table, so that a query takes longer the more is stored.
//
// A container, a blob or a row is looked up by whatever leads to the fewest. Azurite takes the account, the name of the blob or the key of
// the row, and asks every one that it finds, so that everything takes longer the more is stored.
//
// What is deleted is taken out of the indices. Azurite has all of them sorted anew after each container that goes, also when it held
// nothing.
//
// Data is saved once a minute. Azurite saves all that it has every five seconds, and answers nobody meanwhile.
//
// Told to stop, it answers what it has begun, saves its data, and ends. Azurite cuts every connection, saves at once, and then waits
// for connections that were just being opened, on which it answers nothing any more: until somebody kills it.

import { createHmac } from "node:crypto";
import { createRequire } from "node:module";
import readline from "node:readline";

const require = createRequire(import.meta.url);

const AccountDataStore = require("azurite/dist/src/common/AccountDataStore.js").default;
const stores = [];
const init = AccountDataStore.prototype.init;
AccountDataStore.prototype.init = function () {
  stores.push(this);
  return init.call(this);
};
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const [command, value] = line.split(" ");
  if (command !== "accounts") return;
  process.env.AZURITE_ACCOUNTS = value;
  for (const store of stores) store.refresh();
  console.log("accounts read");
});

// Where the three stand in the string to sign, counted in lines; the same in every version that knows them (2020-02-10 and later).
const AUDIT_PARAMETERS = { saoid: 10, suoid: 11, scid: 12 };

const SASAuthenticator = require("azurite/dist/src/blob/authentication/BlobSASAuthenticator.js").default;
const readValues = SASAuthenticator.prototype.getBlobSASSignatureValuesFromRequest;
SASAuthenticator.prototype.getBlobSASSignatureValuesFromRequest = function (req, ...rest) {
  const values = readValues.call(this, req, ...rest);
  for (const name of Object.keys(AUDIT_PARAMETERS)) {
    const value = req.getQuery(name);
    if (values !== undefined && value !== undefined) values[name] = value;
  }
  return values;
};

const signatures = require("azurite/dist/src/blob/authentication/IBlobSASSignatureValues.js");
const sign = signatures.generateBlobSASSignatureWithUDK;
signatures.generateBlobSASSignatureWithUDK = (values, resource, account, key) => {
  const lines = sign(values, resource, account, key)[1].split("\n");
  for (const [name, line] of Object.entries(AUDIT_PARAMETERS)) lines[line] = values[name] ?? "";
  const stringToSign = lines.join("\n");
  return [createHmac("sha256", key).update(stringToSign, "utf8").digest("base64"), stringToSign];
};

const StorageErrorFactory = require("azurite/dist/src/blob/errors/StorageErrorFactory.js").default;
const conditions = require("azurite/dist/src/blob/conditions/ReadConditionalHeadersValidator.js");
const validate = conditions.validateReadConditions;
conditions.validateReadConditions = (context, headers, model, isSource) => {
  try {
    validate(context, headers, model, isSource);
  } catch (err) {
    if (isSource && err.storageErrorCode === "ConditionNotMet") {
      throw StorageErrorFactory.getSourceConditionNotMet(context.contextId);
    }
    throw err;
  }
};

const BlobStore = require("azurite/dist/src/blob/persistence/LokiBlobMetadataStore.js").default;
for (const name of ["startCopyFromURL", "copyFromURL"]) {
  const copy = BlobStore.prototype[name];
  BlobStore.prototype[name] = function (context, source, destination, url, ...rest) {
    const path = new URL(url).pathname.slice(1 + source.account.length);
    const shown = `https://${source.account}.blob.${process.env.AIRLOCK_STORAGE_SUFFIX}${path}`;
    return copy.call(this, context, source, destination, shown, ...rest);
  };
}

const { BatchSerialization } = require("azurite/dist/src/table/batch/BatchSerialization.js");
BatchSerialization.prototype.extractPath = (url) => url.match(/^https?:\/\/[^/]+(?:\/[^/(?]+)?\/(\w+)/);

// The partition, and the range of row keys, to which the beginning of a filter confines its query. Loki sorts text that is a number as a
// number, so both ends of the range have to begin with the same letter.
const CONFINED = /^PartitionKey eq '((?:[^']|'')*)'(?: and RowKey ge '(([a-z])[^']*)' and RowKey lt '(\3[^']*)')?(?= and |$)/;
const confined = (filter = "") => {
  const [first, partition, from, , to] = CONFINED.exec(filter) ?? [""];
  const rest = filter.slice(first.length).replace(/'(?:[^']|'')*'/g, "");
  return /\bor\b/i.test(rest) ? {} : { partition: partition?.replaceAll("''", "'"), from, to };
};

// Range is what a query uses of Loki's result sets, over rows in the order of their keys.
class Range {
  constructor(rows, { partition, from, to }) {
    Object.assign(this, { rows, partition, from, to, tests: [] });
  }
  where(test) {
    this.tests.push(test);
    return this;
  }
  sort() {
    return this;
  }
  limit(n) {
    this.most = n;
    return this;
  }
  data() {
    const found = [];
    const [first, last] = this.rows.calculateRange("$gte", "RowKey", this.from);
    const sorted = this.rows.binaryIndices.RowKey.values;
    for (let i = first; i <= last && found.length < this.most; i++) {
      const row = this.rows.data[sorted[i]];
      if (row.RowKey >= this.to) break;
      if (row.PartitionKey === this.partition && this.tests.every((test) => test(row))) found.push(row);
    }
    return found;
  }
}

const TableStore = require("azurite/dist/src/table/persistence/LokiTableMetadataStore.js").default;
const query = TableStore.prototype.queryTableEntities;
TableStore.prototype.queryTableEntities = function (context, account, table, options, ...rest) {
  const within = confined(options.filter);
  const chain = () => {
    const rows = this.getEntityCollection(account, table, context);
    rows.ensureIndex("RowKey");
    return within.from === undefined ? rows.chain().find({ PartitionKey: within.partition }) : new Range(rows, within);
  };
  const self = within.partition === undefined ? this : Object.create(this, { getEntityCollection: { value: () => ({ chain }) } });
  return query.call(self, context, account, table, options, ...rest);
};

// Loki uses the index of the first property that a query names, and asks every document that it leads to for the others.
const Loki = createRequire(require.resolve("azurite/package.json"))("lokijs");
const { Resultset } = Loki;
const LEADING = { accountName: ["containerName", "name"], RowKey: ["RowKey", "PartitionKey"] };
const find = Resultset.prototype.find;
Resultset.prototype.find = function (wanted, ...rest) {
  const names = Object.entries(LEADING).find(([name]) => typeof wanted === "object" && name in wanted)?.[1];
  if (names === undefined) return find.call(this, wanted, ...rest);
  const rows = this.collection;
  const found = (name) => {
    const [first, last] = rows.calculateRange("$eq", name, wanted[name]);
    return last - first;
  };
  const [best] = names
    .filter((name) => typeof wanted[name] === "string" && rows.binaryIndices[name] !== undefined)
    .sort((a, b) => found(a) - found(b));
  return find.call(this, best === undefined ? wanted : { [best]: wanted[best], ...wanted }, ...rest);
};

// Loki sorts every index anew after a removal of many, or of none; of one document it takes just the place out.
const FEW = 100;
const remove = Resultset.prototype.remove;
Resultset.prototype.remove = function () {
  if (!this.filterInitialized || this.filteredrows.length > FEW) return remove.call(this);
  for (const document of this.filteredrows.map((position) => this.collection.data[position])) this.collection.remove(document);
  this.filteredrows = [];
  return this;
};

const SAVE_MS = 60000;
const autosave = Loki.prototype.autosaveEnable;
Loki.prototype.autosaveEnable = function (...args) {
  this.autosaveInterval = SAVE_MS;
  return autosave.apply(this, args);
};

const IDLE_MS = 20;
const DRAIN_MS = 5000;
const ServerBase = require("azurite/dist/src/common/ServerBase.js").default;
const { start, close } = ServerBase.prototype;
let serving = 0;
ServerBase.prototype.start = async function () {
  await start.call(this);
  serving++;
};
ServerBase.prototype.close = async function () {
  const server = this.httpServer;
  const drained = new Promise((resolve) => server.close(resolve));
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_MS);
  const impatience = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await drained;
  clearInterval(idle);
  clearTimeout(impatience);
  await close.call(this);
  if (--serving === 0) process.exit(0);
};

require("azurite/dist/src/azurite.js");
