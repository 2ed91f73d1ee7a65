# The tools that run on the build host, and the baseline's process 1. Included by the Makefile.
TOOL_FLAGS := -D_GNU_SOURCE -std=c11 -O2 -g $(WARNINGS) -I.

$(BUILD)/pack: $(wildcard tools/pack/*.c) $(wildcard tools/pack/*.h)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_FLAGS) -o $@ $(filter %.c,$^)
$(BUILD)/link: $(wildcard tools/link/*.c) $(wildcard tools/link/*.h) exos/tty/link.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_FLAGS) -o $@ $(filter %.c,$^)
$(BUILD)/linux-init: tools/linux-init.c exos/tty/link.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_FLAGS) -static -o $@ $<

# Test programs that run inside the machine: ordinary static Linux executables.
PROGRAM_FLAGS := -static -D_GNU_SOURCE -std=gnu11 -O1 -g $(WARNINGS)

$(BUILD)/tests/exos/%: tests/exos/%.c tests/exos/lib.h
	@mkdir -p $(@D)
	$(Q)musl-gcc $(PROGRAM_FLAGS) -o $@ $<

# What ./exo bench runs on both systems, as the baseline's figures were taken: static, with the C library that programs usually have.
$(BUILD)/bench/system $(BUILD)/bench/smp: $(BUILD)/bench/%: bench/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) -static -D_GNU_SOURCE -std=gnu11 -O2 -Wall -Wextra -Werror -Wno-clobbered -o $@ $<
