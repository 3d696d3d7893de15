#!/usr/bin/env node
// The web server in JavaScript, with Node alone: tests/peers/web_node.mjs [PORT]
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { calcul } from "./calcul.mjs";

const types = { ".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml" };

async function sendFile(name, request, response) {
  const path = join("tcp/www", normalize(join("/", name))); // "/../x" is "/x": it stays in the directory, links aside
  const status = await stat(path);
  if (!status.isFile()) throw new Error("no file");
  const modified = Math.floor(status.mtimeMs / 1000) * 1000;
  if (Date.parse(request.headers["if-modified-since"]) >= modified) return response.writeHead(304).end();
  response.writeHead(200, {
    "Content-Type": types[extname(path)] ?? "application/octet-stream",
    "Content-Length": status.size,
    "Last-Modified": new Date(modified).toUTCString(),
  });
  if (request.method === "HEAD") return response.end();
  createReadStream(path).pipe(response);
}

function end(response, status, type, body, fields = {}) {
  response.writeHead(status, { "Content-Type": type, "Content-Length": Buffer.byteLength(body), ...fields }).end(body);
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, "http://localhost");
  try {
    if (!["GET", "HEAD"].includes(request.method)) return end(response, 405, "text/plain", "", { Allow: "GET, HEAD" });
    if (["/", "/index.html"].includes(url.pathname)) return end(response, 302, "text/plain", "", { Location: "/static/index.html" });
    if (url.pathname === "/api/calcul") return end(response, ...calcul(url.searchParams));
    if (!url.pathname.startsWith("/static/")) throw new Error("no such page");
    await sendFile(decodeURIComponent(url.pathname.slice("/static/".length)), request, response);
  } catch {
    end(response, 404, "text/plain", "introuvable\n");
  }
});

server.listen(Number(process.argv[2] ?? 8080), "127.0.0.1", () => {
  console.error(`listening on 127.0.0.1:${server.address().port}`);
});
server.httpAllowHalfOpen = true; // a client that has said its last word still listens
