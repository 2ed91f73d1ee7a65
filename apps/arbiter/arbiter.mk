# The arbiter, which boots instead of ExOS and starts it, and its packer, which runs on this host. Included by the Makefile.
ARBITER_SOURCES := $(filter-out apps/arbiter/pack.c,$(wildcard apps/arbiter/*.c apps/arbiter/*/*.c apps/arbiter/*/*.S))
ARBITER_OBJECTS := $(ARBITER_SOURCES:%=$(BUILD)/%.o)
ARBITER_FLAGS := $(FREESTANDING) $(WARNINGS) -fno-pic -fno-stack-protector -Iinclude -I.

# The compiler itself calls what is in this one, after link-time optimisation.
$(BUILD)/apps/arbiter/lib.c.o: ARBITER_FLAGS += -fno-lto

$(BUILD)/apps/arbiter/%.o: apps/arbiter/%
	@mkdir -p $(@D)
	$(Q)$(CC) $(ARBITER_FLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/arbiter.elf: $(ARBITER_OBJECTS) apps/arbiter/x86_64/arbiter.ld
	$(Q)$(CC) $(FREESTANDING) -nostdlib -static -no-pie -Wl,-T,apps/arbiter/x86_64/arbiter.ld -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
		-o $@ $(ARBITER_OBJECTS)
	$(Q)objdump -dS $@ > $@.list
$(BUILD)/arbiter: $(BUILD)/arbiter.elf
	$(Q)objcopy -S $< $@
$(BUILD)/arbiter-pack: apps/arbiter/pack.c apps/arbiter/policy.c apps/arbiter/policy.h
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -O2 -g $(WARNINGS) -I. -o $@ $(filter %.c,$^)
