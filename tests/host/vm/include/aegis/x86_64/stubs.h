/* The kernel calls that memory makes, answered by the test's model of the kernel (model.c). */
#pragma once

#include <aegis/bind.h>
#include <aegis/cap.h>
#include <aegis/error.h>

int64_t aegis_frame_alloc(frame_t *frames, uint64_t n);
int64_t aegis_frame_free(const frame_t *frames, uint64_t n);
int64_t aegis_frame_break(const frame_t *frames, uint64_t n);
int64_t aegis_bind(env_id env, const struct aegis_binding *list, uint64_t n, const struct aegis_cap *cap);
