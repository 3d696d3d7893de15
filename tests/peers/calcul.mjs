// The sum, for the two web servers on Node. Reading and writing numbers is what JavaScript does
// anyway.

/** The finite number that the parameter `name` is; throws a message, in French, when it is none. */
function number(parameters, name) {
  const text = parameters.get(name);
  if (!text) throw `${name} manque`;
  // Number("0x10") is 16, and ours no number.
  const value = /^[+-]?[0-9.]+(e[+-]?[0-9]+)?$/i.test(text) ? Number(text) : NaN;
  if (Number.isNaN(value)) throw `${name} n'est pas un nombre`;
  if (!Number.isFinite(value)) throw `${name} est trop grand`;
  return value;
}

/** [status, type, JSON] for the parameters of a query (URLSearchParams). */
export function calcul(parameters) {
  try {
    const [a, b] = ["a", "b"].map((name) => number(parameters, name));
    if (!Number.isFinite(a + b)) throw "la somme est trop grande";
    return [200, "application/json", JSON.stringify({ a, b, somme: a + b })];
  } catch (erreur) {
    return [400, "application/json", JSON.stringify({ erreur })];
  }
}
