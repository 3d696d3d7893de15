#!/usr/bin/env node
// The web server with Express: in this folder  npm ci  and then  npm start,  or  npm start -- [-d
// DIR] [PORT]
//
// With Debian's node-express in the place of npm's: NODE_PATH=/usr/share/nodejs
// tests/peers/express/web.cjs
const { join } = require("node:path");
const express = require("express");

const root = join(__dirname, "../../..");

async function main() {
  const { calcul } = await import("../calcul.mjs");
  const { openInside, words } = await import("../serving.mjs");
  const { port, directory } = words(8080, join(root, "tcp/www"));

  const app = express();
  app.disable("x-powered-by");

  app.get(["/", "/index.html"], (request, response) => response.redirect("/static/index.html"));

  // Express stays in the directory and passes over names that start with a dot; a link in there it
  // follows.
  app.use("/static", async (request, response, next) => {
    let opened;
    try {
      opened = await openInside(directory, decodeURIComponent(request.path.slice(1)));
    } catch {} // a % that is none, or no UTF-8: uncaught it would end us
    await opened?.file.close();
    next(opened || !["GET", "HEAD"].includes(request.method) ? undefined : "router");
  });
  app.use("/static", express.static(directory, { index: false, redirect: false }));

  app.get("/api/calcul", (request, response) => {
    const [status, type, json] = calcul(new URL(request.url, "http://localhost").searchParams);
    response.status(status).type(type).send(json);
  });

  const readOnly = (request, response, next) => {
    if (["GET", "HEAD"].includes(request.method)) return next(); // and it is not there: 404
    response.set("Allow", "GET, HEAD").sendStatus(405);
  };
  app.all(["/", "/index.html", "/api/calcul"], readOnly);
  app.use("/static", readOnly);

  const server = app.listen(port, "127.0.0.1", () => {
    console.error(`listening on 127.0.0.1:${server.address().port}`);
  });
  server.httpAllowHalfOpen = true; // a client that has said its last word still listens
}

main();
