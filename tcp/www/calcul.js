// The page asks, the server adds: GET /api/calcul?a=2&b=0.5 -> {"a":2,"b":0.5,"somme":2.5} or {"erreur":"…"}.
"use strict";

const form = document.querySelector("form");
const element = (id) => document.getElementById(id);

/** Shows `message` beside the field that it begins with the name of, or below the sum; null takes all messages away. */
function showError(message) {
  const field = message && /^[ab] /.test(message) ? message[0] : "";
  for (const name of ["a", "b"]) {
    element(`erreur-${name}`).textContent = name === field ? message : "";
    element(name).setAttribute("aria-invalid", String(name === field));
  }
  element("erreur").textContent = message && !field ? message : "";
  if (field) element(field).focus();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  // A number is written with a comma in French, and with a point in JavaScript.
  const number = (name) => form.elements[name].value.trim().replace(",", ".");
  const question = `/api/calcul?${new URLSearchParams({ a: number("a"), b: number("b") })}`;
  element("question").textContent = question;
  let answer;
  try {
    answer = await (await fetch(question)).json();
  } catch {
    answer = { erreur: "le serveur ne répond pas" };
  }
  element("somme").textContent = answer.somme ?? "…";
  showError(answer.erreur ?? null);
});
