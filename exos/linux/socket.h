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
/* socket_internet.c: options of TCP, IP and IPv6. */
int linux_set_internet(struct socket *s, int level, int name, uint64_t program, uint32_t length);
int linux_get_internet(struct socket *s, int level, int name, uint64_t program, uint64_t program_length);
