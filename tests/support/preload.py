"""A library that a program is started with (LD_PRELOAD): it wraps calls of the C library."""

import subprocess
from pathlib import Path

# As glibc's, and then after(thread): glibc has one more look at the thread in it, between two
# instructions (nptl/pthread_detach.c, `cancelhandling`).
DETACH = r"""
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static void after(pthread_t thread);
int pthread_detach(pthread_t thread) {
    const int result = ((int (*)(pthread_t))dlsym(RTLD_NEXT, "pthread_detach"))(thread);
    after(thread);
    return result;
}
"""

# After SIGUSR1 there is no memory for anything.
NO_MEMORY = r"""
#include <errno.h>
#include <signal.h>
#include <stddef.h>
extern void* __libc_malloc(size_t);
static volatile sig_atomic_t none;
static void take_all(int number) { none = number; }
__attribute__((constructor)) static void wait_for_it(void) { signal(SIGUSR1, take_all); }
void* malloc(size_t size) {
    if (none) errno = ENOMEM;
    return none ? NULL : __libc_malloc(size);
}
"""


def library(source, directory):
    """Compiles C, a Path or a text, into a library in `directory`. Its Path."""
    if not isinstance(source, Path):
        text, source = source, directory / "preloaded.c"
        source.write_text(text)
    made = directory / source.with_suffix(".so").name
    subprocess.run(["cc", "-shared", "-fPIC", "-o", made, source, "-ldl"], check=True)
    return made
