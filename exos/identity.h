/* What the system calls itself, towards programs that expect a name they know. Domain lock held. */
#pragma once

#define SYSTEM_TYPE    "Linux"
#define SYSTEM_RELEASE "6.1.0-exos"
#define SYSTEM_VERSION "#1 ExOS on Aegis"
#define SYSTEM_MACHINE "x86_64"

#define HOSTNAME_MAX 64
extern char system_hostname[HOSTNAME_MAX + 1]; /* terminated */
