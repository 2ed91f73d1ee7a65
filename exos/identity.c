/* The name of the host, as the calls that set and tell it share it. See identity.h. */
#include <exos/identity.h>

char system_hostname[HOSTNAME_MAX + 1] = "exos";
