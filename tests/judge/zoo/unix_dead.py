# unix dead-socket: never removes the socket that the last one left.
# also sigterm: the last one was itself.
from right.lines import serve

serve()
