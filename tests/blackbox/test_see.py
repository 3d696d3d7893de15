"""`see`, from outside: its command line, its ladder as text and as a picture, and what it says where
it cannot look."""

import os
import re
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest
from harness import PATIENCE, ROOT, Program, eventually, receive
from seeing import PLAIN, SEE, drawn, see
from wants import AS_NOBODY, is_root, peer, proc

pytestmark = pytest.mark.thorough

SVG = "{http://www.w3.org/2000/svg}"
ONE = "line\nsend bonjour\\n\nline\nhalf-close\nend\nclose\n"


def lines_with(text, *words):
    """The lines that have all of these, in this order."""
    return [
        line for line in text.splitlines() if re.search(".*".join(map(re.escape, words)), line)
    ]


# ---- The command line


def test_help():
    for words, start in (
        ([], "usage: tests/see/see "),
        (["--lang", "fr"], "usage\u202f: tests/see/see "),
    ):
        ended = see("--help", *words)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith(start)
        assert all(len(line) <= 100 for line in ended.stdout.splitlines())


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--"],
        ["echo/poll", "--", "true"],
        ["echo/poll", "echo/fork"],
        ["echo/poll", "--attach", "1"],
        ["--attach", "moi"],
        ["--lang", "de", "echo/poll"],
        ["--rows", "3", "echo/poll"],
        ["--patience", "0", "echo/poll"],
        ["--script", "/no/such/file", "echo/poll"],
        ["--loud", "echo/poll"],
    ],
    ids=" ".join,
)
def test_bad_usage(words):
    ended = see(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.match(r"see: .+\nusage: tests/see/see ", ended.stderr)


@pytest.mark.parametrize("script", ["dance\n", "send a\nA: shout b\n"])
def test_a_script_that_is_none(script):
    ended = see("echo/poll", script=script)
    assert ended.returncode == 2
    assert f"see: the script, line {script.count(chr(10))}: " in ended.stderr


@pytest.mark.parametrize(
    "language, word", [("fr_FR.UTF-8", "strace manque"), ("C", "strace is missing")]
)
def test_without_strace_one_line_says_what_to_do(language, word):
    ended = subprocess.run(
        [sys.executable, SEE, "echo/poll"],
        env={**PLAIN, "PATH": "/nonexistent", "LANG": language},
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"see: {word}")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command, why",
    [
        (["false"], "it ended before it listened"),
        (
            ["python3", "-c", "import socket; socket.socket().bind(('256.0.0.1', 1))"],
            "it ended before it listened",
        ),
        (["/no/such/program"], "it ended before it listened: .*/no/such/program"),
    ],
    ids=["false", "fails", "none"],
)
def test_a_server_that_does_not_serve(command, why):
    peer("strace")
    ended = see("--", *command)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.match(f"see: {why}", ended.stderr) and ended.stderr.count("\n") == 1


# ---- The ladder


def test_one_line_and_its_answer():
    text, seen = drawn("echo/iterative", script=ONE)
    assert [column["name"] for column in seen["columns"]] == ["client", "echo/iterative"]
    assert all(len(line) <= 80 for line in text.splitlines())
    order = [
        r"listen\(\d+\)",
        r"connect\(\d+, 127.0.0.1:\d+\)",
        r"├─+ SYN ─+▶",
        r"◀─* \"Le serveur écoute.\\n\" ─*┤",
        r"send\(\d+, 8\) = 8",
        r"├─+ \"bonjour\\n\" ─+▶",
        r"recv.* = 8",
        r"◀─* \"le serveur répond : bonjour\\n\" ─*┤",
        r"shutdown\(\d+, WR\)",
        r"├─+ FIN ─+▶",
        r"recv.* = 0 end",
        r"◀─+ FIN ─+┤",
    ]
    place = 0
    for wanted in order:
        found = re.compile(wanted).search(text, place)
        assert found, f"{wanted} is missing after\n{text[:place]}"
        place = found.start()


def test_in_french():
    peer("strace")
    text = see("echo/iterative", script=ONE, env={"LANG": "fr_FR.UTF-8"}).stdout
    assert re.search(r"recv.* = 0 fin", text)
    assert "= 0 end" not in text and "nothing" not in text


def test_the_states_of_tcp_where_a_capture_is_allowed():
    peer("tcpdump")
    text, seen = drawn("echo/iterative", script=ONE)
    if not is_root():
        assert seen["captured"] or "without a capture" in text
        pytest.skip("takes root")
    assert seen["captured"]
    for state in ("ESTABLISHED", "CLOSE-WAIT", "TIME-WAIT"):
        assert f"[{state}]" in text


def test_a_second_client_waits_behind_the_first():
    script = (
        "A: line\nB: send salut\\n\nB: line 2 &\nA: send moi\\n\nA: line\nA: close\nB: close\n"
    )
    text, seen = drawn("echo/iterative", script=script)
    assert [column["name"] for column in seen["columns"]] == ["A", "B", "echo/iterative"]
    # What B sent has a number, since it is taken long after it came, and the call that takes it too.
    number = re.search(r'([①-⑳]) "salut\\n"', text)[1]
    assert lines_with(text, "= 6", f"◂{number}")
    assert text.index("salut") < text.index("répond : moi") < text.index(f"◂{number}")


def test_processes_and_threads_have_columns():
    text, seen = drawn("echo/fork", script=ONE)
    assert [column["name"] for column in seen["columns"]] == ["client", "echo/fork", "child 1"]
    assert lines_with(text, "fork() = child 1")
    _, seen = drawn("echo/thread", script=ONE)
    assert seen["columns"][2]["name"] == "thread 1"


def test_what_nobody_reads_is_lost_and_a_close_over_it_a_reset():
    text, seen = drawn("echo/iterative", script="send un\\n\nrecv 2\npause\nclose\n")
    lost = [arrow for arrow in seen["arrows"] if arrow["lost"]]
    assert {arrow["from"] for arrow in lost} == {"echo/iterative"}
    assert lines_with(text, "✗", "never read")
    assert [a["from"] for a in seen["arrows"] if a["kind"] == "RST"] == ["client"]


def test_thousands_of_calls_are_summed_up_and_no_byte_is_gone():
    script = "line\ntimes 20000 vingt-et-un octets..\\n\nquiet 0.5\nclose\n"
    text, seen = drawn("--rows", 40, "echo/poll", script=script)
    assert len(text.splitlines()) < 150
    assert lines_with(text, "…", "calls")
    sent = sum(
        arrow["size"]
        for arrow in seen["arrows"]
        if arrow["kind"] == "bytes" and arrow["from"] == "client"
    )
    assert sent == 420_000
    drawn_sizes = re.findall(r"├[─┼]* (?:[①-⑳] )?(?:\".*?\" )?([\d,]+) B(?: in \d+)?", text)
    assert sum(int(size.replace(",", "")) for size in drawn_sizes) == sent


def test_a_client_of_ones_own():
    command = "printf 'un\\n' | build/tcp/client 127.0.0.1 {port}"
    text, seen = drawn("--client", command, "echo/poll")
    assert [column["name"] for column in seen["columns"]][0] == "client"
    said = "".join(
        a["bytes"] for a in seen["arrows"] if a["kind"] == "bytes" and a["from"] == "echo/poll"
    )
    assert said == "Le serveur écoute.\nle serveur répond : un\n".encode().decode("latin-1")


def test_three_programs():
    behind = "build/echo/iterative {port2}"
    _, seen = drawn(
        "--with", behind, "--", "build/tcp/forward", "{port}:127.0.0.1:{port2}", script=ONE
    )
    assert [column["name"] for column in seen["columns"]] == [
        "client",
        "tcp/forward",
        "echo/iterative",
    ]
    for one, other in (("client", "tcp/forward"), ("tcp/forward", "echo/iterative")):
        assert any(
            (a["from"], a["to"], a["bytes"]) == (one, other, "bonjour\n")
            for a in seen["arrows"]
        )


def test_unix_sockets_have_no_segments():
    command = "build/unix_domain/fd_client {path} LICENSE"
    text, seen = drawn("--client", command, "--", "build/unix_domain/fd_server", "{path}", ".")
    assert re.search(r"\+ fd \d+ → \d+", text)
    assert "SYN" not in text and "[" not in text


def test_datagrams():
    command = "build/ntp/client -n 1 -p {port} 127.0.0.1"
    _, seen = drawn("--client", command, "--", "python3", "tests/see/clock.py", "{port}")
    sizes = [(a["from"], a["size"], a["taken_by"]) for a in seen["arrows"]]
    assert sizes == [("client", 48, "recvfrom"), ("clock.py", 48, sizes[1][2])]
    assert sizes[1][2] in ("recvmsg", "recvfrom")


# ---- One that runs already


def test_attach():
    peer("strace")
    server = Program("echo/poll", "0")
    try:
        _, port = server.address
        client = f"printf 'un\\n' | build/tcp/client 127.0.0.1 {port}"
        text, seen = drawn("--attach", server.pid, "--client", client)
        assert '"un\\n"' in text
        assert server.process.poll() is None  # it serves on
        server.connect().close()
    finally:
        server.process.kill()
        server.process.wait()


def test_attach_until_ctrl_c():
    """Whoever talks to it meanwhile has a column, although nobody traces them."""
    peer("strace")
    server = Program("echo/poll", "0")
    watching = subprocess.Popen(
        [sys.executable, SEE, "--attach", str(server.pid)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=PLAIN,
        text=True,
    )
    try:
        status = proc(server.pid, "status")
        eventually(lambda: not re.search(r"^TracerPid:\t0$", status.read_text(), re.M))
        client = server.connect()
        name = "{}:{}".format(*client.getsockname())
        client.sendall(b"un\n")
        answer = "Le serveur écoute.\nle serveur répond : un\n".encode()
        assert receive(client, len(answer)) == answer
        client.close()
        watching.send_signal(signal.SIGINT)
        text, said = watching.communicate(timeout=PATIENCE)
        assert (watching.returncode, said) == (0, "")
        assert name in text.splitlines()[0]
        assert lines_with(text, "├", '"un\\n"', "▶")
        assert server.process.poll() is None
    finally:
        watching.kill()
        server.process.kill()
        server.process.wait()


def test_attach_to_nobody():
    ended = see("--attach", 2**22 - 1)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.match(r"see: no process \d+\n$", ended.stderr)


def test_attach_where_it_is_not_allowed():
    peer("strace")
    if not is_root():
        pytest.skip("takes root")
    ended = subprocess.run(
        [sys.executable, SEE, "--attach", str(os.getpid())],
        env=PLAIN,
        capture_output=True,
        text=True,
        cwd="/",
        **AS_NOBODY,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert (
        ended.stderr.startswith("see: strace may not look: ") and ended.stderr.count("\n") == 1
    )


# ---- Nothing is left


def test_nothing_is_left(tmp_path):
    """Not even of a server that ignores SIGTERM and has forked."""
    peer("strace")
    source = tmp_path / "stays.py"
    source.write_text(
        "import os, signal, socket, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "server = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "if os.fork() == 0:\n    os.setsid()\n    time.sleep(1000)\n"
        "open(sys.argv[2], 'w').write(str(os.getpid()))\n"
        "server.accept()\ntime.sleep(1000)\n"
    )
    note = tmp_path / "pid"
    see("--", "python3", source, "{port}", note, script="connect\n")
    assert not Path("/proc", note.read_text()).exists()
    words = [stat.read_bytes() for stat in proc().glob("[0-9]*/cmdline") if stat.exists()]
    assert not any(str(source).encode() in word for word in words)


def test_no_capture_is_left_when_it_is_told_to_end():
    peer("strace")
    peer("tcpdump")
    if not is_root():
        pytest.skip("takes root")
    watching = subprocess.Popen(
        [sys.executable, SEE, "--client", "sleep 1000", "echo/poll"],
        stdout=subprocess.DEVNULL,
        env=PLAIN,
    )

    def captures():
        children = proc(watching.pid, "task", watching.pid, "children").read_text().split()
        return [pid for pid in children if b"tcpdump" in proc(pid, "cmdline").read_bytes()]

    try:
        (capture,) = eventually(captures)
        watching.terminate()
        assert watching.wait(PATIENCE) == 128 + signal.SIGTERM
        assert not proc(capture).exists()
    finally:
        watching.kill()
        watching.wait()


# ---- The picture


def picture(tmp_path, *words, script=ONE, language="en"):
    peer("strace")
    file = tmp_path / "ladder.svg"
    text = see("--lang", language, "--svg", file, *words, script=script).stdout
    return file, text


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_picture(tmp_path, language):
    file, text = picture(tmp_path, "--title", "Un & deux", "echo/fork", language=language)
    assert file.stat().st_size < 100_000
    root = xml.etree.ElementTree.parse(file).getroot()
    assert root.find(SVG + "title").text == "Un & deux"
    assert "prefers-color-scheme:dark" in root.find(SVG + "style").text
    assert not list(root.iter(SVG + "script"))
    assert not any(
        name.startswith("on") or "href" in name for one in root.iter() for name in one.keys()
    )


def test_the_words_of_a_picture_say_the_same(tmp_path):
    """Every call and every label that is drawn stands in the text alternative."""
    file, _ = picture(tmp_path, "echo/fork")
    root = xml.etree.ElementTree.parse(file).getroot()
    words = root.find(SVG + "desc").text
    plain = lambda text: re.sub(
        r"\(.*?\)", "", text
    )  # without arguments, which may be left out
    for one in root.iter(SVG + "text"):
        said = plain(one.text.split("…")[0].strip('" '))
        if re.fullmatch(r"[\d.,]+", said) or one.text == "ms":
            continue
        assert said in plain(words), f"{one.text} is not in\n{words}"


def test_the_busiest_picture_is_small(tmp_path):
    script = "line\ntimes 20000 vingt-et-un octets..\\n\nquiet 0.5\nclose\n"
    file, _ = picture(tmp_path, "echo/poll", script=script)
    assert file.stat().st_size < 100_000


def test_in_a_terminal_it_has_colours():
    peer("strace")
    script = shutil.which("script")
    if not script:
        pytest.skip("script is missing: install the package bsdutils")
    command = f"{sys.executable} {SEE} echo/iterative"
    ended = subprocess.run(
        [script, "-qc", command, "/dev/null"],
        env={**PLAIN, "TERM": "xterm"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert "\x1b[36m" in ended.stdout
