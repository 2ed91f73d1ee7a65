/* Devices that are owned whole: serial lines, power. */
#pragma once

#include <aegis/cap.h>
#include <kernel/env.h>

void device_start(void);
void device_interrupt(enum aegis_device device); /* from the trap handler */
uint32_t device_epoch(uint32_t device);
int64_t device_end_epoch(const struct aegis_cap *cap); /* cap.c: 0 or -E_DENIED */
/* drivers/uart.c */
bool uart_start(uint32_t line);
size_t uart_write(uint32_t line, const uint8_t *bytes, size_t n);
size_t uart_read(uint32_t line, uint8_t *bytes, size_t n);
void uart_enable_interrupt(uint32_t line);
/* drivers/power.c */
_Noreturn void power_off(uint32_t status);
