# Programs that run inside the machine: ordinary static Linux executables, and the parts of ExOS that they may be linked with. Included by the Makefile.
PROGRAM_FLAGS := -static -D_GNU_SOURCE -std=gnu11 -g -fno-pie -no-pie -I. -Iinclude $(WARNINGS)
LIB_SOURCES := $(sort $(wildcard exos/lib/*/*.c exos/lib/*/*.S exos/lib/*/*/*.c exos/lib/*/*/*.S))
# The network stack is the domain's own, compiled once more for programs.
STACK_OBJECTS := $(patsubst %,$(BUILD)/program/%.o,$(wildcard exos/net/*.c))
LIB_OBJECTS := $(LIB_SOURCES:%=$(BUILD)/%.o) $(STACK_OBJECTS)

# Runs inside fault handlers, which save no vector registers; and a branch that is always taken is an instruction less than a choice.
$(BUILD)/exos/lib/vm/%.o: PROGRAM_FLAGS += -mgeneral-regs-only -fno-if-conversion -fno-if-conversion2

$(BUILD)/exos/lib/%.o: exos/lib/%
	@mkdir -p $(@D)
	$(Q)musl-gcc $(PROGRAM_FLAGS) -O2 -MMD -MP -c -o $@ $<
$(BUILD)/program/%.o: %
	@mkdir -p $(@D)
	$(Q)musl-gcc $(PROGRAM_FLAGS) -O2 -MMD -MP -c -o $@ $<
$(BUILD)/libexos.a: $(LIB_OBJECTS)
	$(Q)rm -f $@ && ar rcs $@ $(LIB_OBJECTS)

$(BUILD)/tests/exos/%: tests/exos/%.c $(BUILD)/libexos.a
	@mkdir -p $(@D)
	$(Q)musl-gcc $(PROGRAM_FLAGS) -O1 -MMD -MP -MF $@.d -o $@ $< $(BUILD)/libexos.a

# With the C library that programs on Debian have.
$(BUILD)/tests/exos/%_glibc: tests/exos/%_glibc.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(PROGRAM_FLAGS) -pthread -O1 -MMD -MP -MF $@.d -o $@ $<

# A folder of apps/ is a program, linked from all that is in it, but that its handler.c runs in the kernel and is an array of bytes in the program; the arbiter is none (apps/arbiter/arbiter.mk).
define app_rule
$(BUILD)/apps/$(1): $(wildcard apps/$(1)/*.[chS] apps/$(1)/*/*.[chS]) $(if $(wildcard apps/$(1)/handler.c),$(BUILD)/handlers/$(1)_handler.c) $(BUILD)/libexos.a
	@mkdir -p $$(@D)
	$$(Q)musl-gcc $$(PROGRAM_FLAGS) -O2 -o $$@ $$(filter-out %/handler.c,$$(filter %.c %.S,$$^)) $(BUILD)/libexos.a
endef
APPS := $(filter-out arbiter,$(patsubst apps/%/,%,$(filter %/,$(wildcard apps/*/))))
$(foreach app,$(APPS),$(eval $(call app_rule,$(app))))

# The kernel's filter compiler, for programs that use it by themselves.
FILTER_OBJECTS := $(patsubst %,$(BUILD)/user/%.o,$(addprefix kernel/filter/,filter.c short.c overlap.c interpret.c bpf.c conjunction.c x86_64/node.c x86_64/bpf.c))
$(BUILD)/user/kernel/filter/%.o: kernel/filter/%
	@mkdir -p $(@D)
	$(Q)$(CC) $(PROGRAM_FLAGS) -O2 -MMD -MP -c -o $@ $<

# What ./exo bench runs on both systems. As the baseline's figures were taken: static, with the C library that programs usually have;
$(BUILD)/bench/system $(BUILD)/bench/smp: $(BUILD)/bench/%: bench/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) -static -D_GNU_SOURCE -std=gnu11 -O2 -Wall -Wextra -Werror -Wno-clobbered -o $@ $<
# It includes Linux's own headers, which musl does not have;
$(BUILD)/bench/filter: bench/filter.c $(FILTER_OBJECTS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(PROGRAM_FLAGS) -O2 -MMD -MP -MF $@.d -o $@ $< $(FILTER_OBJECTS)
# and programs that specialise where they can, and do as they must on Linux.
$(BUILD)/bench/%: bench/%.c $(BUILD)/libexos.a
	@mkdir -p $(@D)
	$(Q)musl-gcc $(PROGRAM_FLAGS) -O2 -MMD -MP -MF $@.d -o $@ $< $(BUILD)/libexos.a

# Handlers that run in the kernel (include/aegis/ash.h): the bytecode alone. What a compiler would put elsewhere (constants, other functions) a handler cannot have; the kernel's inspection refuses one that refers to it.
define COMPILE_HANDLER
	@mkdir -p $(@D)
	$(Q)bpf-gcc -std=gnu11 -O2 -ffreestanding -fno-strict-aliasing -Wall -Wextra -Werror -I. -Iinclude -MMD -MP -MT $@ -c -o $(@:.bin=.o) $<
	$(Q)bpf-objcopy -O binary -j .text $(@:.bin=.o) $@
endef
$(BUILD)/bench/handlers/%.bin: bench/handlers/%.c
	$(COMPILE_HANDLER)
$(BUILD)/handlers/%_handler.bin: apps/%/handler.c
	$(COMPILE_HANDLER)
$(BUILD)/handlers/%.c: $(BUILD)/handlers/%.bin
	$(Q)(echo '#include <stddef.h>' && echo '#include <stdint.h>' && echo 'extern const uint8_t $*[];' && echo 'extern const size_t $*_size;' && \
		echo 'const uint8_t $*[] __attribute__((aligned(8))) = {' && od -An -v -tx1 $< | sed 's/ \(..\)/0x\1,/g' && echo '};' && echo 'const size_t $*_size = sizeof($*);') >$@
