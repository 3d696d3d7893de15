// tests/bench/chat_node.js: the chat as one writes it for Node, with the protocol of broadcast/talk.hpp.
//
//     node tests/bench/chat_node.js [PORT]
//
// The queue per client is Node's own: each write goes into its stream's buffer, however long that gets.
const net = require("net");
const sockets = new Set();
const toEveryone = (text) => sockets.forEach((socket) => socket.write(text));
let count = 0;

const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
  const me = String(count++ % 1000).padStart(3, "0");
  let begun = "";
  toEveryone(`${me} est connecté\n`);
  sockets.add(socket);
  socket.setEncoding("utf8");
  socket.write(`je suis : ${me}\n`);
  socket.on("data", (text) => {
    const lines = (begun + text).split("\n");
    begun = lines.pop();
    for (const line of lines) toEveryone(`Message de ${me} : ${line}\n`);
  });
  socket.on("end", () => socket.end());
  socket.on("error", () => {});
  socket.on("close", () => sockets.delete(socket) && toEveryone(`${me} est déconnecté\n`));
});
server.listen(Number(process.argv[2] ?? 9090), "127.0.0.1", () =>
  console.error(`listening on 127.0.0.1:${server.address().port}`),
);
