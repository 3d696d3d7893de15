#!/usr/bin/env node
// A server for a simple protocol in JavaScript, with Node: tests/peers/commands.mjs [-d DIR] [PORT]
import { once } from "node:events";
import { createServer } from "node:net";
import { pipeline } from "node:stream/promises";
import { lines } from "./lines.mjs";
import { listen, openInside, words } from "./serving.mjs";

const { port, directory } = words(9090, ".");

/** RFC 3339 with the offset: toISOString() knows UTC only. */
function heure() {
  const now = new Date(), east = -now.getTimezoneOffset();
  const two = (n) => String(Math.floor(Math.abs(n))).padStart(2, "0");
  const local = new Date(now.getTime() + east * 60_000).toISOString().slice(0, 19);
  return `${local}${east < 0 ? "-" : "+"}${two(east / 60)}:${two(east % 60)}`;
}

/** Sends a line of texts and of bytes as they came. */
function say(client, ...pieces) {
  client.write(Buffer.concat(pieces.map((piece) => Buffer.from(piece))));
}

/**
 * Answers `fichier NAME`. False: the file has shrunk meanwhile, and nobody can say where the answer
 * ends.
 */
async function send(client, name) {
  const opened = await openInside(directory, name.toString());
  if (!opened) {
    say(client, "erreur : ", name, " : fichier introuvable\n");
    return true;
  }
  const { file, status: { size } } = opened;
  say(client, name, ` ${size}\n`);
  if (size === 0) {
    await file.close();
    return true;
  }
  const bytes = file.createReadStream({ start: 0, end: size - 1 }); // it may have grown
  await pipeline(bytes, client, { end: false });
  return bytes.bytesRead === size;
}

async function converse(client) {
  for await (const line of lines(client)) { // a line is as long as memory allows
    const text = line.toString("latin1");
    if (text === "hello") client.write("hello\n");
    else if (text === "heure") client.write(heure() + "\n");
    else if (text === "quitter") break;
    else if (!text.startsWith("fichier ")) {
      say(client, "erreur : commande inconnue : ", line, "\n");
    } else if (!(await send(client, line.subarray("fichier ".length)))) return client.destroy();
    if (client.writableNeedDrain) await once(client, "drain"); // who does not read is not read
  }
  client.end();
  client.resume(); // what comes after `quitter` is thrown away: to close on it would be a reset
}

const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  client.on("error", () => client.destroy());
  converse(client).catch(() => client.destroy());
});

listen(server, port);
