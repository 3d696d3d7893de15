// broadcast never-reads: a queue without end for each client, and nobody is ever dropped.
// also slow-reader: those who send wait for nobody.
import { createServer } from "node:net";

const clients = new Map();
const tell = (text) => clients.forEach((_, client) => client.write(text, "latin1"));
const utf8 = (text) => Buffer.from(text).toString("latin1");
let count = 0;

createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  const name = (count++ % 46656).toString(36).padStart(3, "0");
  let begun = "";
  tell(utf8(`${name} est connecté\n`));
  clients.set(client, name);
  client.write(`je suis : ${name}\n`);
  client.setEncoding("latin1").on("data", (piece) => {
    const lines = (begun + piece).split("\n");
    begun = lines.pop();
    if ([begun, ...lines].some((line) => line.length > 65536)) {
      client.removeAllListeners("data").resume().end("erreur : ligne trop longue\n");
      return leaves();
    }
    tell(lines.map((line) => `Message de ${name} : ${line}\n`).join(""));
  });
  const leaves = () => clients.delete(client) && tell(utf8(`${name} est déconnecté\n`));
  client.on("end", () => {
    if (begun && clients.has(client)) tell(`Message de ${name} : ${begun}\n`);
    leaves();
    client.end();
  });
  client.on("error", () => leaves() || client.destroy());
}).listen(Number(process.argv[2]), "127.0.0.1");
