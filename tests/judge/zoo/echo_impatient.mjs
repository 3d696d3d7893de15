// echo half-close: cuts a client that reads nothing for a second, and what it is owed is lost.
import { createServer } from "node:net";

function answer(client) {
  let begun = false;
  client.write("Le serveur écoute.\n");
  client.on("data", (piece) => {
    const lines = piece.toString("latin1").split(/(?<=\n)/);
    const prefix = Buffer.from("le serveur répond : ").toString("latin1");
    const text = lines.map((line, i) => (i || !begun ? prefix : "") + line).join("");
    begun = !text.endsWith("\n");
    if (client.write(Buffer.from(text, "latin1"))) return;
    client.pause();
    const late = setTimeout(() => client.destroy(), 1000);
    client.once("drain", () => { clearTimeout(late); client.resume(); });
  });
  client.on("end", () => client.end());
  client.on("error", () => client.destroy());
}

const options = { allowHalfOpen: true, noDelay: true };
createServer(options, answer).listen(process.argv[2], "127.0.0.1");
