# unix not-a-socket: nobody answers at the path, and so it is removed, whatever it is.
import os
import socket
import sys

from right.lines import serve

with socket.socket(socket.AF_UNIX) as probe:
    try:
        probe.connect(sys.argv[1])
        sys.exit("somebody listens there")
    except ConnectionRefusedError:  # a dead socket, and a file that is none, say the same
        os.unlink(sys.argv[1])
    except FileNotFoundError:
        pass
serve()
