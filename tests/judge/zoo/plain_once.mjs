// plain next: serves the first client only.
// also bytes, half-close, end, waiting, reset: there is no other client.
// also leaves, never-reads, come-and-go: the same.
import { createServer } from "node:net";

const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  server.close();
  client.pipe(client);
  client.on("error", () => client.destroy());
}).listen(Number(process.argv[2]), "127.0.0.1");
