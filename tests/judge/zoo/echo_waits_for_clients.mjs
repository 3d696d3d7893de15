// echo sigterm: at SIGTERM it waits until its clients have left (server.close).
import { createServer } from "node:net";

const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
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
  client.on("end", () => client.end());
  client.on("error", () => client.destroy());
}).listen(Number(process.argv[2]), "127.0.0.1");
process.on("SIGTERM", () => server.close());
