/* listen() for programs that use libslirp, which gives each port that it forwards a backlog of one: the host then drops the SYNs of clients that come together, and they try again after 1, 3, 7 ... seconds, or are reset.
 * For the emulator it is a library that is loaded before others (--publish); tests/net/wire is linked with it. The host bounds it by net.core.somaxconn. */
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BACKLOG_LEAST 4096

int listen(int socket, int backlog) { return (int)syscall(SYS_listen, socket, backlog < BACKLOG_LEAST ? BACKLOG_LEAST : backlog); }
