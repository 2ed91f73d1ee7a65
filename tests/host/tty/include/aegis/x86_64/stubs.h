/* In place of the kernel calls: the two serial lines, as the tests see them. */
#pragma once

#include <aegis/cap.h>
#include <aegis/calls.h>

int64_t aegis_console_write(uint32_t device, const void *bytes, uint64_t n);
int64_t aegis_console_read(uint32_t device, void *bytes, uint64_t n);
