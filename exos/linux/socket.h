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
