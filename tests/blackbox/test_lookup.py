"""tcp/lookup: the addresses of a name, one a line.

Where the system allows a namespace of our own, the names are those of our own /etc/hosts; elsewhere
only localhost and addresses in digits are asked for."""

import os
import socket
import subprocess

import pytest
from harness import PATIENCE, ROOT, binary, run, strace
from wants import needs_ipv6, needs_namespace

USAGE = "usage: tcp/lookup [-4] [-6] NAME\n"
HOSTS = """127.0.0.1 localhost
10.0.0.4 roucas101 roucas101.etu
10.0.0.4 roucas101
2001:db8::4 roucas101
10.0.0.3 sas1
2001:db8::6 six
"""


def ours(tmp_path, *words):
    """Runs tcp/lookup where /etc/hosts is ours, and no name server is asked."""
    for name, text in {"hosts": HOSTS, "nsswitch": "hosts: files\n", "host": "multi on\n"}.items():
        (tmp_path / name).write_text(text)
    mounts = "".join(
        f"mount --bind {tmp_path}/{name} /etc/{name}{conf} && "
        for name, conf in {"hosts": "", "nsswitch": ".conf", "host": ".conf"}.items()
        if os.path.exists(f"/etc/{name}{conf}")
    )
    inside = [*needs_namespace("--mount"), "sh", "-c", mounts + 'exec "$0" "$@"']
    return subprocess.run(
        [*inside, binary("tcp/lookup"), *words], capture_output=True, text=True, timeout=PATIENCE
    )


def getaddrinfo(name, family=0):
    """What the C library says to a TCP client, through Python: in its order, none twice."""
    found = socket.getaddrinfo(name, None, family, socket.SOCK_STREAM)
    return list(dict.fromkeys(address[0] for *_, address in found))


def test_localhost_has_the_addresses_that_the_system_gives_it():
    ended = run("tcp/lookup", "localhost")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == getaddrinfo("localhost")
    assert "127.0.0.1" in ended.stdout.splitlines()


@pytest.mark.parametrize(
    "digits, shown",
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),  # inet_aton(3): what is missing is zeros
        ("::1", "::1"),
        ("2001:DB8:0:0::4", "2001:db8::4"),  # RFC 5952
        ("::ffff:10.0.0.4", "::ffff:10.0.0.4"),
        ("fe80::1%lo", "fe80::1%lo"),
    ],
)
def test_an_address_is_its_own(digits, shown):
    if "%" in digits:
        needs_ipv6()
    ended = run("tcp/lookup", digits)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, shown + "\n", "")


def test_each_address_is_a_line_and_none_comes_twice(tmp_path):
    ended = ours(tmp_path, "roucas101")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert sorted(lines) == ["10.0.0.4", "2001:db8::4"]


@pytest.mark.parametrize(
    "words, lines",
    [
        (["-4", "roucas101"], ["10.0.0.4"]),
        (["-6", "roucas101"], ["2001:db8::4"]),
        (["-6", "six"], ["2001:db8::6"]),
        (["sas1"], ["10.0.0.3"]),
        (["--", "sas1"], ["10.0.0.3"]),
        (["sas1", "-4"], ["10.0.0.3"]),
    ],
    ids=lambda x: " ".join(x),
)
def test_a_family_is_chosen(tmp_path, words, lines):
    ended = ours(tmp_path, *words)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == lines


def test_the_order_is_that_of_getaddrinfo():
    """RFC 6724: it depends on the addresses that the machine has itself."""
    names = ["localhost", socket.gethostname()]
    for name in names:
        try:
            expected = getaddrinfo(name)
        except OSError:
            continue
        assert run("tcp/lookup", name).stdout.splitlines() == expected


@pytest.mark.parametrize(
    "words", [["nobody.invalid"], ["-6", "sas1"], ["-4", "six"], ["x" * 300], ["a b"]]
)
def test_a_name_without_an_address_is_one_line(tmp_path, words):
    ended = ours(tmp_path, *words)
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"tcp/lookup: {words[-1]}: ")


def test_an_address_of_the_other_family_is_one_line():
    for words in (["-6", "127.0.0.1"], ["-4", "::1"]):
        ended = run("tcp/lookup", *words)
        assert (ended.returncode, ended.stdout) == (1, "")
        (line,) = ended.stderr.splitlines()
        assert line.startswith(f"tcp/lookup: {words[1]}: ")


@pytest.mark.parametrize(
    "words, wrong",
    [
        ([], "one NAME is wanted"),
        (["-4"], "one NAME is wanted"),
        ([""], "one NAME is wanted"),
        (["a", "b"], "one NAME is wanted"),
        (["-x", "a"], "unknown option -x"),
        (["-p", "9090", "a"], "unknown option -p"),
        (["--four", "a"], "unknown option --four"),
    ],
)
def test_bad_usage(words, wrong):
    ended = run("tcp/lookup", *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"tcp/lookup: {wrong}\n{USAGE}")


@pytest.mark.parametrize("words", [["-h"], ["--help"], ["-4", "--help"]])
def test_help(words):
    ended = run("tcp/lookup", *words)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(USAGE)


@pytest.mark.parametrize("word", ["127.0.0.1", "--help"])
def test_a_full_disk_is_one_line(word):
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [binary("tcp/lookup"), word], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert ended.returncode == 1
    assert ended.stderr == "tcp/lookup: write: No space left on device\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_standard_descriptor_that_is_closed_does_no_harm(closed):
    shell = ["sh", "-c", f'"$0" 127.0.0.1 {closed}', binary("tcp/lookup")]
    ended = subprocess.run(shell, capture_output=True, text=True, timeout=PATIENCE)
    shown = "" if ">&-" in closed.replace("2>&-", "") else "127.0.0.1\n"
    assert ended.stdout == shown
    assert ended.returncode == (0 if shown else 1)  # /dev/null is open for reading only


def test_an_output_that_nobody_reads_is_no_death():
    read_end, write_end = os.pipe()
    os.close(read_end)
    ended = subprocess.run(
        [binary("tcp/lookup"), "127.0.0.1"], stdout=write_end, stderr=subprocess.PIPE, text=True
    )
    os.close(write_end)
    assert (ended.returncode, ended.stderr) == (1, "tcp/lookup: write: Broken pipe\n")


@pytest.mark.parametrize("error", ["EMFILE", "ENOMEM"])
def test_a_look_up_that_the_system_cannot_make_is_one_line(error):
    """Not even /etc/hosts can be opened."""
    # The program's own libraries are opened before.
    under = [*strace("open,openat", f"open,openat:error={error}"), "-P", "/etc/hosts"]
    words = [*under, binary("tcp/lookup"), "nobody.invalid"]
    ended = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE)
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("tcp/lookup: nobody.invalid: ")
