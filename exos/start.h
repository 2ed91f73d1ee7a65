/* The domain as a whole: its first environment (the keeper), what the kernel exposes, its end.
 *
 * start.c is where ExOS begins: the kernel starts it in the first environment. It sets up memory, files and terminal, makes
 * the first process, and then stays as the keeper: the environment that receives devices' events, alarms and the news of peers' ends. */
#pragma once

#include <aegis/env.h>
#include <aegis/info.h>
#include <exos/base.h>

extern const struct aegis_info *machine_info;        /* read-only, bound from the kernel */
extern const struct aegis_frame_info *frame_table;
extern const struct aegis_env_info *env_table;
extern const volatile uint64_t *claim_table; /* by slot of the environment table */
extern env_id domain_account; /* what the domain's frames are charged to */
extern frame_t domain_shared_table; /* the level-3 table of the shared slot */
extern int first_process;           /* its pid; the machine ends with it */

/* Before there is memory management, straight from the kernel; the machine ends where that fails. */
frame_t start_frame(void);
void start_bind(uint64_t va, uint64_t entry);
void start_table(uint64_t va, uint32_t level);

const struct aegis_cap *start_device(enum aegis_device device); /* the domain's right to it */
const struct aegis_cap *start_disk(uint32_t number);
extern bool start_network_talks;     /* the first process has EXO_NET_DEBUG in its environment: the network says on the log what it gets */
void start_program_ended(int exit_status); /* wait's encoding */
_Noreturn void start_machine_off(int status);
