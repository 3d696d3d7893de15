/* What a program itself counts of the bytes that it sends and takes on TCP: put before libc's own
 * functions by LD_PRELOAD, it writes a line for each call to the file that $COUNTED names. It is the
 * test's second opinion on what strace has told (tests/blackbox/test_see_bytes.py).
 *
 *     cc -shared -fPIC -o count.so tests/see/count.c
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static ssize_t counted(const char *what, int fd, ssize_t size) {
    const int saved = errno;
    int kind = 0;
    socklen_t length = sizeof kind;
    struct sockaddr_storage name;
    socklen_t room = sizeof name;
    const char *file = getenv("COUNTED");
    if (size > 0 && file && getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &length) == 0 && kind == SOCK_STREAM &&
        getsockname(fd, (struct sockaddr *)&name, &room) == 0 && name.ss_family != AF_UNIX) {
        char line[64];
        const int count = snprintf(line, sizeof line, "%s %zd\n", what, size);
        const int log = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
        syscall(SYS_write, log, line, (size_t)count);
        close(log);
    }
    errno = saved;
    return size;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define PEEKS(flags) ((flags) & MSG_PEEK ? 0 : 1)

ssize_t send(int fd, const void *data, size_t size, int flags) {
    return counted("sent", fd, NEXT(send)(fd, data, size, flags));
}
ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t room) {
    return counted("sent", fd, NEXT(sendto)(fd, data, size, flags, to, room));
}
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    return counted("sent", fd, NEXT(sendmsg)(fd, message, flags));
}
ssize_t write(int fd, const void *data, size_t size) {
    return counted("sent", fd, NEXT(write)(fd, data, size));
}
ssize_t writev(int fd, const struct iovec *pieces, int count) {
    return counted("sent", fd, NEXT(writev)(fd, pieces, count));
}
ssize_t recv(int fd, void *data, size_t size, int flags) {
    const ssize_t got = NEXT(recv)(fd, data, size, flags);
    return PEEKS(flags) ? counted("took", fd, got) : got;
}
ssize_t recvfrom(int fd, void *data, size_t size, int flags, struct sockaddr *from, socklen_t *room) {
    const ssize_t got = NEXT(recvfrom)(fd, data, size, flags, from, room);
    return PEEKS(flags) ? counted("took", fd, got) : got;
}
ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    const ssize_t got = NEXT(recvmsg)(fd, message, flags);
    return PEEKS(flags) ? counted("took", fd, got) : got;
}
ssize_t read(int fd, void *data, size_t size) {
    return counted("took", fd, NEXT(read)(fd, data, size));
}
ssize_t readv(int fd, const struct iovec *pieces, int count) {
    return counted("took", fd, NEXT(readv)(fd, pieces, count));
}
/* What a program calls that was compiled with _FORTIFY_SOURCE. */
ssize_t __read_chk(int fd, void *data, size_t size, size_t room) {
    (void)room;
    return read(fd, data, size);
}
ssize_t __recv_chk(int fd, void *data, size_t size, size_t room, int flags) {
    (void)room;
    return recv(fd, data, size, flags);
}
ssize_t __recvfrom_chk(int fd, void *data, size_t size, size_t room, int flags, struct sockaddr *from, socklen_t *length) {
    (void)room;
    return recvfrom(fd, data, size, flags, from, length);
}
