// echo last-line: what has no newline is not answered.
import { createServer } from "node:net";

createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  let begun = [];
  client.write("Le serveur écoute.\n");
  client.on("data", (bytes) => {
    const end = bytes.lastIndexOf(10) + 1;
    if (end === 0) return begun.push(bytes);
    const lines = Buffer.concat([...begun, bytes.subarray(0, end)]).toString("latin1");
    begun = [bytes.subarray(end)];
    const wanted = Buffer.from("le serveur répond : $&").toString("latin1");
    const answer = lines.replace(/[^\n]*\n/g, wanted);
    if (!client.write(answer, "latin1")) client.pause().once("drain", () => client.resume());
  });
  client.on("end", () => client.end());
  client.on("error", () => client.destroy());
}).listen(Number(process.argv[2]), "127.0.0.1");
