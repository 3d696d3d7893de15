// echo half-close: after a half-close it never closes.
// also last-line: the end of the connection is waited for there too.
// also come-and-go: so that a client that has left leaves a descriptor behind.
import { createServer } from "node:net";

createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  let start = true;
  client.write("Le serveur écoute.\n");
  client.on("data", (bytes) => {
    const out = [];
    for (let at = 0, end; at < bytes.length; at = end) {
      if (start) out.push(Buffer.from("le serveur répond : "));
      end = bytes.indexOf(10, at) + 1 || bytes.length;
      start = bytes[end - 1] === 10;
      out.push(bytes.subarray(at, end));
    }
    if (!client.write(Buffer.concat(out))) client.pause().once("drain", () => client.resume());
  });
  client.on("error", () => client.destroy());
}).listen(Number(process.argv[2]), "127.0.0.1");
