/* Classic BPF: programs are checked, interpreted, translated into atoms, compiled. */
#pragma once

#include <aegis/bpf.h>
#include <aegis/error.h>
#include <kernel/filter/filter.h>

