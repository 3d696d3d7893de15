#!/usr/bin/env node
// The web server with Express: NODE_PATH=/usr/share/nodejs tests/peers/web_express.cjs [PORT]
const express = require("express");

const app = express();
app.disable("x-powered-by");

app.get(["/", "/index.html"], (request, response) => response.redirect("/static/index.html"));
app.use("/static", express.static("tcp/www", { index: false, redirect: false }));
app.get("/api/calcul", async (request, response) => {
  const { calcul } = await import("./calcul.mjs");
  const [status, type, json] = calcul(new URL(request.url, "http://localhost").searchParams);
  response.status(status).type(type).send(json);
});
const readOnly = (request, response, next) => {
  if (["GET", "HEAD"].includes(request.method)) return next(); // and it is not there: 404
  response.set("Allow", "GET, HEAD").sendStatus(405);
};
app.all(["/", "/index.html", "/api/calcul"], readOnly);
app.use("/static", readOnly);

const server = app.listen(Number(process.argv[2] ?? 8080), "127.0.0.1", () => {
  console.error(`listening on 127.0.0.1:${server.address().port}`);
});
server.httpAllowHalfOpen = true; // a client that has said its last word still listens
