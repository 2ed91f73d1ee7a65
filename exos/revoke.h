/* How ExOS answers when the machine wants something back (include/aegis/upcall.h: demands and the repossession vector; paper 3.3, 3.4). The keeper is the
 * environment that is asked. Domain lock held. */
#pragma once

/* Gives what is demanded, as far as it can: of frames those that hold nothing, of slices those that a process has beyond its first. */
void revoke_answer(void);
/* A program has given frames back, or has ended: on they go, if they are still owed. */
void revoke_returned(void);
/* When programs that were asked, and have not given, have had their time (ticks; 0: nobody was asked); and, then, takes what the account may not keep. */
uint64_t revoke_time(void);
void revoke_check(void);
/* Reads what was taken by force, and has those who stood on it bear it. */
void revoke_losses(void);
