#!/usr/bin/env node
// The web server in JavaScript, with Node alone: tests/peers/web_node.mjs [-d DIR] [PORT]
import { createServer } from "node:http";
import { extname } from "node:path";
import { calcul } from "./calcul.mjs";
import { listen, openInside, words } from "./serving.mjs";

const { port, directory } = words(8080, "tcp/www");
const types = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css",
  ".js": "text/javascript",
  ".svg": "image/svg+xml",
};

async function sendFile(name, request, response) {
  const opened = await openInside(directory, name);
  if (!opened) throw new Error("no file");
  const { file, status } = opened;
  const modified = Math.floor(status.mtimeMs / 1000) * 1000;
  if (Date.parse(request.headers["if-modified-since"]) >= modified) {
    response.writeHead(304).end();
    return file.close();
  }
  response.writeHead(200, {
    "Content-Type": types[extname(name)] ?? "application/octet-stream",
    "Content-Length": status.size,
    "Last-Modified": new Date(modified).toUTCString(),
  });
  if (request.method === "HEAD" || status.size === 0) {
    response.end();
    return file.close();
  }
  const bytes = file.createReadStream({ start: 0, end: status.size - 1 }); // it may have grown
  response.on("close", () => bytes.destroy()); // the client may go before the end
  bytes.pipe(response);
}

function end(response, status, type, body, fields = {}) {
  const length = Buffer.byteLength(body);
  response.writeHead(status, { "Content-Type": type, "Content-Length": length, ...fields }).end(body);
}

const server = createServer(async (request, response) => {
  try {
    const url = new URL(request.url, "http://localhost");
    if (!["GET", "HEAD"].includes(request.method))
      return end(response, 405, "text/plain", "", { Allow: "GET, HEAD" });
    if (["/", "/index.html"].includes(url.pathname))
      return end(response, 302, "text/plain", "", { Location: "/static/index.html" });
    if (url.pathname === "/api/calcul") return end(response, ...calcul(url.searchParams));
    if (!url.pathname.startsWith("/static/")) throw new Error("no such page");
    await sendFile(decodeURIComponent(url.pathname.slice("/static/".length)), request, response);
  } catch {
    if (response.headersSent) response.destroy();
    else end(response, 404, "text/plain", "introuvable\n");
  }
});

server.httpAllowHalfOpen = true; // a client that has said its last word still listens
listen(server, port);
