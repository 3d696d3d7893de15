# unix live-socket: unlink before bind, whatever is there.
# also not-a-socket: a file of somebody's too.
import os
import sys

from right.lines import serve

if os.path.lexists(sys.argv[1]):
    os.unlink(sys.argv[1])
serve()
