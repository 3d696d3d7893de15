// datagram large: takes no more than 2048 bytes of a datagram.
// also too-long: the answers to the longest are cut as well.
import { createSocket } from "node:dgram";

const server = createSocket("udp4", (data, { port, address }) => {
  server.send(["le serveur répond : ", data.subarray(0, 2048)], port, address);
});
server.bind(Number(process.argv[2]), "127.0.0.1");
