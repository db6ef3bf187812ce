// Node's HTTP parsers over streams that never touch a socket. One question after the other on standard input:
// length (4 bytes, big endian), kind (q: the bytes of a client, s: the bytes of a server), bytes. Each is answered by
// one JSON line: messages with start, fields and body (latin-1), how it ended, and Node's own word for a refusal.
import http from "node:http";
import { Duplex } from "node:stream";

class Wire extends Duplex {
  _read() {}
  _write(_chunk, _encoding, done) { done(); }
  _final(done) { done(); }
}
for (const name of ["setTimeout", "setNoDelay", "setKeepAlive", "ref", "unref"]) {
  Wire.prototype[name] = function () { return this; };
}

const MAX_HEAD = 64 * 1024; // more than ours: what is too large is not the question here
const turns = async (count) => { for (let n = 0; n < count; n++) await new Promise((done) => setImmediate(done)); };

// Node repeats what it got: names and values in turn.
const pairs = (raw) => raw.flatMap((name, n) => (n % 2 ? [] : [[name, raw[n + 1]]]));
const collect = (stream, done) => {
  const parts = [];
  stream.on("data", (part) => parts.push(part));
  stream.on("error", () => {});
  stream.on("end", () => done(Buffer.concat(parts).toString("latin1")));
};

let current;
const take = (request, response) => {
  const mine = current;
  const start = [request.method, request.url, request.httpVersion];
  const fields = pairs(request.rawHeaders);
  collect(request, (body) => { mine.messages.push({ start, fields, body }); response.end(); });
};
const server = http.createServer({ maxHeaderSize: MAX_HEAD, requireHostHeader: false, keepAliveTimeout: 0 }, take);
server.maxHeadersCount = 0;
server.headersTimeout = server.requestTimeout = server.timeout = 0;
server.on("checkContinue", (request, response) => { response.writeContinue(); take(request, response); });
server.on("checkExpectation", take);
server.on("clientError", (error) => { current.why = error.code; }); // not destroyed: whole messages still come out

async function asServer(bytes) {
  const found = (current = { messages: [], end: "open", why: "" });
  const wire = new Wire();
  wire.on("error", () => {});
  server.emit("connection", wire);
  wire.push(bytes);
  await turns(3);
  if (found.why) found.end = "refused";
  else if (wire.destroyed || wire.writableEnded) found.end = "closed";
  else {
    wire.push(null);
    await turns(2);
    if (found.why === "HPE_INVALID_EOF_STATE") found.end = "partial";
  }
  wire.destroy();
  return { ...found };
}

async function asClient(bytes) {
  const found = { messages: [], end: "partial", why: "" };
  const wire = new Wire();
  const agent = new http.Agent({ keepAlive: true });
  agent.createConnection = () => wire;
  const request = http.request({ agent, host: "a", method: "POST", path: "/", maxHeaderSize: MAX_HEAD });
  request.maxHeadersCount = 0;
  wire.on("error", () => {});
  request.on("error", (error) => { found.why = error.code; });
  request.on("upgrade", () => { found.why = "upgrade"; });
  request.on("response", (response) => {
    const start = [String(response.statusCode)];
    const fields = pairs(response.rawHeaders);
    collect(response, (body) => {
      if (!response.complete) return;
      found.messages.push({ start, fields, body });
      found.end = wire.destroyed || wire.writableEnded ? "closed" : "open";
    });
  });
  request.end("{}");
  await turns(1);
  wire.push(bytes);
  await turns(3);
  if (!found.messages.length && !found.why) {
    wire.push(null);
    await turns(3);
    if (found.messages.length) found.end = "closed";
    else if (found.why === "ECONNRESET" || found.why === "HPE_INVALID_EOF_STATE" || !found.why) found.end = "partial";
    else found.end = "refused";
  } else if (!found.messages.length) found.end = "refused";
  wire.destroy();
  agent.destroy();
  return found;
}

let held = Buffer.alloc(0);
for await (const part of process.stdin) {
  held = Buffer.concat([held, part]);
  while (held.length >= 5 && held.length >= 5 + held.readUInt32BE(0)) {
    const end = 5 + held.readUInt32BE(0);
    const bytes = Buffer.from(held.subarray(5, end));
    const found = held[4] === 0x71 ? await asServer(bytes) : await asClient(bytes);
    held = held.subarray(end);
    process.stdout.write(JSON.stringify(found) + "\n");
  }
}
