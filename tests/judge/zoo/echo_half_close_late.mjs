// echo half-close: answers a moment later, when Node has closed for the half-close.
// also last-line: its answer comes too late as well.
import { createServer } from "node:net";

createServer({ noDelay: true }, (client) => {
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
    client.pause();
    setTimeout(() => client.write(Buffer.concat(out), () => client.resume()), 5);
  });
  client.on("error", () => client.destroy());
}).listen(Number(process.argv[2]), "127.0.0.1");
