/* What the handlers of socket calls share. */
#pragma once

#include <exos/linux/files.h>
#include <exos/socket/socket.h>

/* The socket of a descriptor. -EBADF -ENOTSOCK */
int linux_socket_at(uint64_t number, struct socket **out);
/* An address from the program. -EINVAL -EFAULT */
int linux_address_in(uint64_t program, uint64_t length, struct socket_address *a);
/* One to the program (0: it does not want it), as far as *length there has room; the whole length is put there. -EINVAL -EFAULT */
int linux_address_out(const struct socket_address *a, uint32_t length, uint64_t program, uint64_t program_length);
/* The value of an option to the program, as far as *length there has room; how much it was is put there. -EINVAL -EFAULT */
int linux_option_out(uint64_t program, uint64_t program_length, const void *value, uint32_t length);
/* What goes beside the bytes of a message that was received, one after the other; what finds no room is cut, and that is said. */
struct control_out {
	uint64_t program, room, used;
	bool cut;
};
int linux_control_out(struct control_out *c, int level, int type, const void *value, size_t n); /* 0, -EFAULT */
int linux_arrival_out(const struct socket *s, const struct message *m, struct control_out *c);  /* socket_raw.c: of internet sockets */
/* socket_raw.c: options of raw sockets, and of what is told with datagrams. -ENOPROTOOPT: it is none of them */
int linux_set_raw(struct socket *s, int level, int name, uint64_t program, uint32_t length);
int linux_get_raw(struct socket *s, int level, int name, uint64_t program, uint64_t program_length);
/* socket_internet.c: options of TCP, IP and IPv6. */
int linux_set_internet(struct socket *s, int level, int name, uint64_t program, uint32_t length);
int linux_get_internet(struct socket *s, int level, int name, uint64_t program, uint64_t program_length);
