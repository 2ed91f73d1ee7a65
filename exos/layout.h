/* Where ExOS lives in an address space. The one place that says so.
 *
 * Top slot (512 GiB), one page-table subtree bound by every environment of the domain, so that whatever one
 * environment binds there is bound in all:
 *   IMAGE    ExOS itself: text, and .data/.bss, which are therefore the domain's shared state
 *   WINDOW   every frame that the domain holds, at WINDOW + frame * FRAME_SIZE, readable and writable
 *   TABLES   what the kernel exposes: frame table, environment table
 *   (MODULE and START: where the kernel put module 0 and the first pages of the first environment)
 * Below it, private to each environment:
 *   SELF     one page: the upcall page, and behind it the library's own data of this environment
 *   STACK    the library's stack
 *   PROGRAM  the program: everything up to PROGRAM_TOP
 *   THREADS  above those: library stacks of threads (proc/thread_stack.c) */
#pragma once

#include <aegis/info.h>

#define EXOS_WINDOW_VA 0x7f8000000000ul
#define EXOS_IMAGE_VA 0x7fc000000000ul
#define EXOS_TABLES_VA 0x7fe000000000ul /* frames' and environments', one after the other; */
#define FRAME_REFERENCES_VA (EXOS_TABLES_VA + 0x800000000ul) /* and what else is bound there: frames.h, */
#define EXOS_NET_INFO_VA (EXOS_TABLES_VA + 0xc00000000ul)    /* exposed, */
#define DATAGRAM_VA (EXOS_TABLES_VA + 0xd00000000ul)         /* a datagram on its way out, */
#define EXOS_DISK_INFO_VA (EXOS_TABLES_VA + 0xe00000000ul)   /* exposed, */
#define EXOS_BLOCK_TABLE_VA (EXOS_TABLES_VA + 0xe40000000ul) /* exposed */

#define EXOS_SHARED_VA 0x7f8000000000ul /* start of the shared slot */

#define SELF_VA 0x7efffffff000ul
#define LIBRARY_STACK_TOP 0x7efffffee000ul
#define LIBRARY_STACK_FRAMES 4
#define LIBRARY_STACK_SIZE (LIBRARY_STACK_FRAMES * FRAME_SIZE)
#define LIBRARY_STACK_BOTTOM (LIBRARY_STACK_TOP - LIBRARY_STACK_SIZE)

#define THREADS_VA 0x7f0000000000ul /* up to the shared slot */
#define THREAD_SPAN 0x8000ul        /* a stack, at its end, and unbound pages below */

#define PROGRAM_BOTTOM 0x10000ul /* lower addresses are never mapped: null pointers fault */
#define PROGRAM_TOP 0x7efffffe0000ul
