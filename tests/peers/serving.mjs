// What the servers on Node share: their words, and a file in a directory.
import { constants } from "node:fs";
import { lstat, open } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";

/** The command line [-d DIR] [PORT], with its defaults: { port, directory }. */
export function words(port, directory) {
  const usage = `usage: ${process.argv[1]}${directory ? " [-d DIR]" : ""} [PORT]`;
  try {
    const options = { help: { type: "boolean", short: "h" } };
    if (directory) options.directory = { type: "string", short: "d", default: directory };
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    if (values.help) {
      console.log(usage);
      process.exit();
    }
    if (positionals.length > 1 || !/^[0-9]+$/.test(positionals[0] ?? port))
      throw new Error(`bad PORT: ${positionals}`);
    return { port: Number(positionals[0] ?? port), ...values };
  } catch (wrong) {
    console.error(`${wrong.message}\n${usage}`);
    process.exit(2);
  }
}

/** Listens on 127.0.0.1, and says so. */
export function listen(server, port) {
  return server.listen({ port, host: "127.0.0.1", backlog: 1024 }, () => {
    console.error(`listening on 127.0.0.1:${server.address().port}`);
  });
}

/**
 * The regular file `name` of a directory, open (a FileHandle), with its status; undefined when there
 * is none to be had. No part of the name may start with a dot, and no link is followed. (Node has no
 * openat: a link that somebody of this machine puts into the path between the look and the open is.)
 */
export async function openInside(directory, name) {
  if (name === "" || name.startsWith("/") || name.endsWith("/") || name.includes("\0")) return undefined;
  const parts = name.split("/").filter((part) => part); // "a//b" is "a/b"
  if (parts.some((part) => part.startsWith("."))) return undefined;
  let file;
  try {
    let path = directory;
    for (const part of parts) {
      path = join(path, part);
      if ((await lstat(path)).isSymbolicLink()) return undefined;
    }
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const status = await file.stat();
    if (status.isFile()) return { file, status };
  } catch {} // no such file, or no right to read it
  await file?.close();
  return undefined;
}
