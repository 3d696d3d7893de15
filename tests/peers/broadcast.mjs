#!/usr/bin/env node
// Everyone hears everyone, in JavaScript, with Node: tests/peers/broadcast.mjs [PORT]
//
// A queue for each client, which Node keeps (broadcast/server has one log for all).
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { lines } from "./lines.mjs";
import { listen, words } from "./serving.mjs";

const longest = 65536; // bytes of a line, its newline not counted
const behind = 256 * 1024; // bytes; who is further behind has all who speak wait
const room = new Map(); // name -> socket

function newName() {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  const name = Array.from({ length: 3 }, () => letters[randomInt(letters.length)]).join("");
  return room.has(name) ? newName() : name;
}

/** To all, or to all but one. Returns when nobody is too far behind: who speaks is not read before. */
async function say(bytes, but) {
  for (const client of room.values()) if (client !== but) client.write(bytes);
  await Promise.all([...room.values()].map(catchUp));
}

/** Waits until a client has read; one that accepts less than 64 KiB in five seconds is dropped. */
async function catchUp(client) {
  for (let owed; (owed = client.writableLength) > behind && !client.destroyed; ) {
    const stop = new AbortController();
    const clock = setTimeout(() => stop.abort(), 5000);
    await once(client, "drain", { signal: stop.signal }).catch(() => {});
    clearTimeout(clock);
    // The client's own loop hears of it, and tells the others.
    if (stop.signal.aborted && client.writableLength > owed - 65536) client.destroy();
  }
}

async function converse(client) {
  const me = newName();
  client.write(`je suis : ${me}\n`);
  room.set(me, client);
  await say(`${me} est connecté\n`, client);
  try {
    for await (const line of lines(client, longest)) {
      await say(Buffer.concat([Buffer.from(`Message de ${me} : `), line, Buffer.from("\n")]));
    }
  } catch (wrong) {
    if (wrong instanceof RangeError) client.write("erreur : ligne trop longue\n"); // else a reset
  }
  room.delete(me);
  client.end(); // after all that it is owed
  client.resume(); // what still comes is thrown away: to close on it would be a reset
  await say(`${me} est déconnecté\n`);
}

const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  client.on("error", () => client.destroy());
  converse(client);
});

listen(server, words(9090).port);
