// echo second-client: one buffer for all clients: half a line of one begins a line of another.
// also never-reads: it keeps what is not read, too.
// also mid-line: half a line of one who has left stays there.
import { createServer } from "node:net";

let begun = Buffer.alloc(0);
createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  client.write("Le serveur écoute.\n");
  client.on("data", (bytes) => {
    begun = Buffer.concat([begun, bytes]);
    for (let end; (end = begun.indexOf(10) + 1); begun = begun.subarray(end)) {
      client.write(Buffer.concat([Buffer.from("le serveur répond : "), begun.subarray(0, end)]));
    }
  });
  client.on("end", () => {
    client.end(begun.length ? Buffer.concat([Buffer.from("le serveur répond : "), begun]) : "");
    begun = Buffer.alloc(0);
  });
  client.on("error", () => client.destroy());
}).listen(Number(process.argv[2]), "127.0.0.1");
