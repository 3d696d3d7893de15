"""Messages with a length: four bytes say how long each one is."""

PROGRAMS = {"tcp/frames": "tcp/server"}
PREFIX = "le serveur répond : "


def frame(text):
    message = text if isinstance(text, bytes) else text.encode()
    return len(message).to_bytes(4, "big") + message


def test_a_message_is_answered_by_one(start):
    client = start("tcp/frames").connect()
    client.send(frame("bonjour"))
    client.expect(frame(PREFIX + "bonjour"))


def test_a_newline_is_a_byte_like_any_other(start):
    client = start("tcp/frames").connect()
    for message in ("un\ndeux\n", "", "\0\n", "é" * 40_000):
        client.send(frame(message))
        client.expect(frame(PREFIX + message))


def test_two_messages_may_come_at_once_and_one_byte_by_byte(start):
    client = start("tcp/frames").connect()
    client.send(frame("un") + frame("deux") + frame("trois")[:2])
    client.expect(frame(PREFIX + "un") + frame(PREFIX + "deux"))
    for byte in frame("trois")[2:]:
        client.send(bytes([byte]))
    client.expect(frame(PREFIX + "trois"))


def test_after_the_half_close_what_is_owed_comes_first(start):
    client = start("tcp/frames").connect()
    client.send(frame("un") + frame("deux"))
    client.half_close()
    client.expect(frame(PREFIX + "un") + frame(PREFIX + "deux"))
    client.expect_end()


def test_a_message_of_a_mebibyte_is_answered_and_a_longer_one_ends_the_conversation(start):
    server = start("tcp/frames")
    client = server.connect()
    client.send(frame(b"x" * (1 << 20)))
    client.expect(frame(PREFIX.encode() + b"x" * (1 << 20)))
    client.send(((1 << 20) + 1).to_bytes(4, "big"))
    client.expect_end()
    # The length alone does not take the memory, and the next client is served.
    other = server.connect()
    other.send(b"\xff\xff\xff\xff")
    other.expect_end()
    last = server.connect()
    last.send(frame("encore là ?"))
    last.expect(frame(PREFIX + "encore là ?"))
