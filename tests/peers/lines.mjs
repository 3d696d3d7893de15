// A stream of bytes, line by line, for the servers on Node.

/**
 * Each line of a socket without its newline, the last one also when it has none.
 * Throws a RangeError at a line of more than `longest` bytes.
 */
export async function* lines(socket, longest = Infinity) {
  let begun = [], length = 0; // the pieces of a line whose newline has not come
  // By default the end of the loop would destroy the socket, and the answers that it still owes
  // with it.
  for await (const bytes of socket.iterator({ destroyOnReturn: false })) {
    let at = 0;
    for (let end; (end = bytes.indexOf("\n", at)) !== -1; at = end + 1) {
      if (length + end - at > longest) throw new RangeError("line too long");
      yield Buffer.concat([...begun, bytes.subarray(at, end)]);
      begun = [];
      length = 0;
    }
    begun.push(bytes.subarray(at));
    length += bytes.length - at;
    if (length > longest) throw new RangeError("line too long");
  }
  if (length > 0) yield Buffer.concat(begun);
}
