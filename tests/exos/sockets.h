/* What the tests of sockets share. */
#pragma once

#include "lib.h"

#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#define PAIR(type, ends) CHECK(!socketpair(AF_UNIX, type, 0, ends))

/* A name in the file system, or (it begins with @) an abstract one. */
__attribute__((unused)) static socklen_t unix_name(struct sockaddr_un *a, const char *name)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strcpy(a->sun_path, name);
	if (*name == '@')
		a->sun_path[0] = 0;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + (*name != '@'));
}

__attribute__((unused)) static int bound(int type, const char *name)
{
	struct sockaddr_un a;
	socklen_t length = unix_name(&a, name);
	int s = socket(AF_UNIX, type, 0);

	CHECK(s >= 0);
	if (*name != '@')
		unlink(name);
	CHECK(!bind(s, (struct sockaddr *)&a, length));
	return s;
}

__attribute__((unused)) static int listener(int type, const char *name, int backlog)
{
	int s = bound(type, name);

	CHECK(!listen(s, backlog));
	return s;
}

__attribute__((unused)) static int connect_name(int s, const char *name)
{
	struct sockaddr_un a;
	socklen_t length = unix_name(&a, name);

	return connect(s, (struct sockaddr *)&a, length);
}

__attribute__((unused)) static int connected(int type, const char *name)
{
	int s = socket(AF_UNIX, type, 0);

	CHECK(s >= 0 && !connect_name(s, name));
	return s;
}

/* Sends n bytes with descriptors; the result of sendmsg. */
__attribute__((unused)) static ssize_t send_fds(int s, const void *bytes, size_t n, const int *fds, size_t count)
{
	static char control[CMSG_SPACE(256 * sizeof(int))];
	struct iovec iov = { (void *)(uintptr_t)bytes, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(count * sizeof(int)) };
	memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	return syscall(SYS_sendmsg, s, &m, MSG_NOSIGNAL); /* the C library has no room for so many */
}

/* Receives; how many descriptors came is in *count, which is the room for them before. */
__attribute__((unused)) static ssize_t receive_fds(int s, void *bytes, size_t n, int *fds, size_t *count, int flags, int *result)
{
	static char control[CMSG_SPACE(256 * sizeof(int))];
	struct iovec iov = { bytes, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = *count ? CMSG_SPACE(*count * sizeof(int)) : 0 };
	ssize_t got = recvmsg(s, &m, flags);

	*count = 0;
	if (result)
		*result = m.msg_flags;
	if (got < 0)
		return got;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		*count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), *count * sizeof(int));
	}
	return got;
}

__attribute__((unused)) static short ready(int fd, short wanted)
{
	struct pollfd p = { fd, wanted, 0 };

	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}
