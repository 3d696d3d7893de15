"""Prints, in C, what glibc says of each errno and of what getaddrinfo returns.

The tests compare these words, and musl has its own ("Address in use"): what they look at there is
what the programs do, so the stage links this in."""

import ctypes
import os

libc = ctypes.CDLL(None)
libc.gai_strerror.restype = ctypes.c_char_p


def function(signature, cases):
    print(f"{signature} {{\n    switch (error) {{")
    for number, words in cases:
        print(f'    case {number}: return (char*)"{words}";')
    print('    default: return (char*)"unknown";\n    }\n}')


print("struct locale;")
function("char* strerror(int error)", [(number, os.strerror(number)) for number in range(134)])
for name in ("strerror_l", "__strerror_l"):
    print(f"char* {name}(int error, struct locale* l) {{ (void)l; return strerror(error); }}")
function(
    "const char* gai_strerror(int error)",
    [(number, libc.gai_strerror(number).decode()) for number in range(-12, 1)],
)
