"""A check's conversation with the server: clients that write down what they say and hear, and
faults in words."""

import collections
import select
import socket
import struct
import time

from likely import guess
from words import Say, number, readable, shown

KEPT = 160  # bytes of each end of a long piece that the record keeps
LATE = 1.5  # seconds until one who reads late begins: some send with a time limit of a second
OVERTIME = 2  # seconds after a check's time, for what comes at once
# Each of them but `\n` twice in a row: telnet doubles 255, and a careless program halves it again.
EVERY_BYTE = bytes(byte for byte in range(256) if byte != 10 for _ in range(2))


class Fault(Exception):
    """A promise that was not kept."""

    def __init__(self, likely, expected=None, received=None):
        self.likely, self.expected, self.received = likely, expected, received


class Broken(Fault):
    """A fault of the stream: what came is not what was to come. `how` is closed, silence,
    different, reset, more."""

    def __init__(self, how, expected, received, likely):
        super().__init__(guess(how, expected, received, likely), expected, received)
        self.how = how


class Piece:
    """Bytes that went or came, of which a long middle is not kept."""

    def __init__(self, data=b""):
        self.head, self.tail, self.count = b"", b"", 0
        self.add(data)

    def add(self, data):
        self.count += len(data)
        room = KEPT - len(self.head)
        self.head += bytes(data[:room])
        if room < len(data):
            self.tail = (self.tail + bytes(data[max(room, len(data) - KEPT) :]))[-KEPT:]

    def __str__(self):
        if self.count <= len(self.head):
            return shown(self.head)
        if self.count <= len(self.head) + len(self.tail):
            return shown(self.head + self.tail)
        return (
            f'{shown(self.head[:48])} … "{readable(self.tail[-16:])}"'
            f' ({number(self.count)} {Say("octets", "bytes")})'
        )


class Conversation:
    """Who said what, when."""

    def __init__(self):
        self.start, self.lines = time.monotonic(), []

    def note(self, who, what, direction=""):
        """`what` is a sentence, or bytes. What comes right after other bytes, from the same,
        is one line with them; what we send is as many lines as sends."""
        now = time.monotonic() - self.start
        if isinstance(what, (bytes, bytearray, memoryview)):
            last = self.lines[-1] if self.lines else None
            if direction == "<" and last and last[1:3] == (who, direction):
                last[3].add(what)
                return
            what = Piece(what)
        self.lines.append((now, who, direction, what))

    def sent(self, most=400):
        """All that the clients sent, in short."""
        pieces = [
            str(what)
            for _, _, direction, what in self.lines
            if direction == ">" and isinstance(what, Piece)
        ]
        text = " ".join(pieces[:6]) + (" …" if len(pieces) > 6 else "")
        return text if len(text) <= most else text[:most] + " …"

    def table(self, most=14):
        """[(seconds, who, what)] in words; the middle of a long one is left out."""
        rows = []
        for at, who, direction, what in self.lines:
            if direction:
                arrow = {">": Say("envoie", "sends"), "<": Say("reçoit", "receives")}[direction]
                what = f"{arrow} {what}"
            rows.append((at, str(who), str(what)))
        if len(rows) > most:
            left_out = len(rows) - most
            words = Say("… {} lignes semblables …", "… {} lines of the kind …").format_plain(
                left_out
            )
            rows = [*rows[: most // 2], (None, "", words), *rows[-(most - most // 2) :]]
        return rows


class Client:
    """A connection to the server that writes down what happens on it. What does not fit the way is
    sent while we wait for what is to come, so that neither end waits for the other."""

    def __init__(self, check, name, connection):
        self.check, self.name, self.socket = check, name, connection
        self.unsent, self.went, self.end_of_sending = collections.deque(), 0, False
        connection.setblocking(False)
        check.note("client" if isinstance(name, Say) else name, Say("se connecte", "connects"))

    # ---- What it does

    def sends(self, data, quietly=False):
        if not quietly:
            self.check.note(self.name, data, ">")
        if data:
            self.unsent.append(memoryview(data))
        self.pump()
        return self

    def half_closes(self):
        """Says that nothing more will come from here (shutdown, SHUT_WR); it still listens."""
        self.check.note(
            self.name,
            Say("ferme son sens d'envoi (demi-fermeture)", "closes its direction (half-close)"),
        )
        self.end_of_sending = True
        self.pump()
        return self

    def reads_late(self):
        """Gives the server the time to fill all the buffers on the way, and to lose its patience,
        before anything is read."""
        until = time.monotonic() + LATE
        while time.monotonic() < until:
            self.pump()
            time.sleep(0.01)
        self.check.note(self.name, Say("commence à lire", "begins to read"))

    def closes(self):
        self.check.note(self.name, Say("ferme", "closes"))
        self.socket.close()

    def resets(self):
        """Closes with a RST (SO_LINGER with a time of 0)."""
        self.check.note(self.name, Say("coupe net (RST)", "resets the connection (RST)"))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def floods(self, piece, most, patience=0.5, limit=8, reading=False):
        """Sends `piece` again and again, without reading unless told to, until nothing more goes for
        `patience` seconds. Returns how many bytes went."""
        went, start = 0, time.monotonic()
        deadline = min(start + limit, self.check.deadline)
        view, moved = memoryview(piece), start
        while went < most and time.monotonic() < min(moved + patience, deadline):
            wanted = [self.socket] if reading else []
            readable, writable, _ = select.select(wanted, [self.socket], [], patience)
            try:
                if readable:
                    self.socket.recv(1 << 18)
                if writable:
                    went += self.socket.send(view[went % len(piece) :])
                    moved = time.monotonic()
            except BlockingIOError:
                pass
            except OSError as error:
                raise Fault(
                    Say(
                        (
                            "Le serveur a coupé une connexion à laquelle il n'y avait rien à "
                            "reprocher."
                        ),
                        "The server cut a connection on which nothing was wrong.",
                    ),
                    Say("la connexion reste", "the connection stays"),
                    error.strerror,
                ) from None
        how = Say("et lit", "and reads") if reading else Say("sans lire", "without reading")
        words = Say("envoie {} : {} octets sont partis", "sends {}: {} bytes went")
        self.check.note(self.name, words.format_plain(how, number(went)))
        return went

    # ---- What it expects

    def expects(self, expected, likely=None, silence=None):
        """Reads just these bytes. A Broken fault says how what came differs."""
        got = bytearray()
        while len(got) < len(expected):
            piece = self.receive(len(expected) - len(got), silence)
            if not isinstance(piece, bytes):
                raise self._broken(piece, expected, got, likely)
            at = len(got)
            got += piece
            if got[at:] != expected[at : len(got)]:
                self._read_on(got)
                raise self._broken("different", expected, got, likely)
        return self

    def expects_end(self, likely=None, silence=None):
        """Reads on to the end of the stream, before which nothing more may come."""
        piece = self.receive(1 << 16, silence)
        if piece == "closed":
            return self
        if isinstance(piece, bytes):
            got = bytearray(piece)
            self._read_on(got)
            raise Broken("more", b"", bytes(got), likely)
        what = Say("la fin de la connexion", "the end of the connection")
        raise Broken(piece, what, Say("rien", "nothing") if piece == "silence" else b"", likely)

    def expects_silence(self, seconds, likely=None):
        """Nothing comes for that long, and the connection stays."""
        piece = self.receive(1 << 16, seconds)
        if piece != "silence":
            received = (
                piece
                if isinstance(piece, bytes)
                else Say("la fin de la connexion", "the end of the connection")
            )
            how = "more" if isinstance(piece, bytes) else piece
            raise Broken(how, Say("rien", "nothing"), received, likely)
        return self

    def reads_until(self, end, likely=None, most=1 << 20, silence=None):
        """The bytes up to and including `end`, for answers that are not known beforehand."""
        got = bytearray()
        while not got.endswith(end):
            piece = self.receive(1, silence)
            if not isinstance(piece, bytes) or len(got) > most:
                raise Broken(
                    piece if isinstance(piece, str) else "more",
                    Say(f"… {shown(end)}", f"… {shown(end)}"),
                    bytes(got),
                    likely,
                )
            got += piece
        return bytes(got)

    def reads(self, count, likely=None, silence=None, wanted=None):
        """Just `count` bytes, or fewer when the server closes. `wanted`: that, in words."""
        got = bytearray()
        while len(got) < count:
            piece = self.receive(count - len(got), silence)
            if piece == "closed":
                break
            if not isinstance(piece, bytes):
                wanted = wanted or Say(f"{count} octets", f"{count} bytes")
                raise Broken(piece, wanted, bytes(got), likely)
            got += piece
        return bytes(got)

    def hears(self, seconds):
        """Whether something comes in that time, be it the end. It is not read yet."""
        return bool(select.select([self.socket], [], [], seconds)[0])

    def reads_for(self, seconds):
        """Whatever comes in that time. Returns "silence", or how the stream ended."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not isinstance(event := self.receive(1 << 16, left), bytes):
                return event
        return "silence"

    def reads_all(self, likely=None, silence=None, most=64 << 20):
        """Everything up to the end of the stream."""
        wanted = Say("tout, puis la fin de la connexion", "everything, then the end")
        return self.reads(most, likely, silence, wanted)

    # ---- Underneath

    def _broken(self, how, expected, got, likely):
        return Broken(how, expected, bytes(got), likely)

    def _read_on(self, got):
        """What else comes right after a difference, to show it."""
        for _ in range(5):
            piece = self.receive(256, 0.1)
            if not isinstance(piece, bytes):
                return
            got += piece

    def pump(self):
        """Sends what has not fitted yet, as far as it fits now."""
        while self.unsent:
            try:
                sent = self.socket.send(self.unsent[0][: 1 << 18])
            except BlockingIOError:
                return
            except OSError:
                self.unsent.clear()  # it has gone; what has come says how far it got
                self.end_of_sending = False
                return
            self.went += sent
            self.unsent[0] = self.unsent[0][sent:]
            if not self.unsent[0]:
                self.unsent.popleft()
        if self.end_of_sending:
            self.end_of_sending = False
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def _until(self, silence):
        """When we stop waiting. Once the time of the check is over, what comes at once is still read:
        for OVERTIME, as there are servers that say a byte now and then, for ever."""
        now, deadline = time.monotonic(), self.check.deadline
        return min(now + silence, max(deadline, min(now + 0.05, deadline + OVERTIME)))

    def receive(self, most, silence=None):
        """Bytes; or "closed", "reset", or "silence" when nothing came for too long."""
        silence = self.check.patience if silence is None else silence
        until = self._until(silence)
        while True:
            left = until - time.monotonic()
            if left <= 0:
                self.check.heard_nothing(silence)
                return "silence"
            readable, writable, _ = select.select(
                [self.socket], [self.socket] if self.unsent else [], [], left
            )
            if readable:
                break
            if writable:
                before = self.went
                self.pump()
                if self.went != before:
                    until = self._until(silence)
        try:
            piece = self.socket.recv(min(most, 1 << 18))
        except BlockingIOError:
            return self.receive(most, silence)
        except OSError as error:
            self.check.note(
                self.name,
                Say(
                    "voit sa connexion coupée ({})", "sees its connection cut ({})"
                ).format_plain(error.strerror),
            )
            return "reset"
        if not piece:
            self.check.note(self.name, Say("voit le serveur fermer", "sees the server close"))
            return "closed"
        self.check.note(self.name, piece, "<")
        return piece
