#!/usr/bin/env node
// The echo server in JavaScript, with Node: tests/peers/echo.mjs [PORT]
import { createServer } from "node:net";
import { listen, words } from "./serving.mjs";

const prefix = Buffer.from("le serveur répond : ");

const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  let atLineStart = true;
  client.write("Le serveur écoute.\n");
  client.on("data", (bytes) => {
    for (let at = 0, end; at < bytes.length; at = end) {
      if (atLineStart) client.write(prefix);
      end = bytes.indexOf("\n", at) + 1;
      atLineStart = end > 0;
      if (!atLineStart) end = bytes.length;
      client.write(bytes.subarray(at, end));
    }
    // Backpressure: we do not read while the peer does not.
    if (client.writableNeedDrain) client.pause().once("drain", () => client.resume());
  });
  client.on("end", () => client.end());
  client.on("error", () => client.destroy());
});

listen(server, words(9090).port);
