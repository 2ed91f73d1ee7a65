/* What start.S knows of the headers; tenants/greedy.c and tenants/loader.c check it. */
#pragma once

#define STACK_TOP 0x10006000
#define BIND_CALL 4
