/* epoll: a file that watches other files, and knows which of them are ready without looking at all. Domain lock held.
 *
 * A watch lies in the wait queue of what it watches; a wake-up puts it on the epoll's list of those that may be ready, and only these are asked when somebody wants to know.
 * So a wait costs what is ready. A watch is named by file and number, as on Linux: it holds no reference, and goes when the file's last reference does, however many
 * numbers the file had. Called by linux/epoll.c. */
#pragma once

#include <exos/file/file.h>

enum { EPOLL_ADD = 1, EPOLL_DELETE = 2, EPOLL_MODIFY = 3 };
/* Beside POLL_. */
enum { EPOLL_EXCLUSIVE = 1 << 28, EPOLL_WAKE_UP = 1 << 29, EPOLL_ONE_SHOT = 1 << 30 };
#define EPOLL_EDGE (1u << 31)

struct epoll_event {
	uint32_t events;
	uint64_t data;
} __attribute__((packed));

int epoll_new(struct file **out);
bool is_epoll(const struct file *f);
/* -EEXIST, -ENOENT; -EPERM: such a file is always ready; -EINVAL; -ELOOP: epolls that watch each other, or more than five deep; -ENOMEM */
int epoll_control(struct file *epoll, int operation, struct file *f, int number, struct epoll_event event);
/* Waits (deadline in ticks, 0: for ever; now: not at all) until there is something to tell, and tells up to `room` of it to the program. How many, 0: time is up, -EINTR, -EFAULT. */
ssize epoll_wait(struct file *epoll, struct epoll_event *program, size_t room, bool now, uint64_t deadline);
