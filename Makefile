# Builds the kernel, the library operating system, the host's tools and the test programs into build/.
# `make` is quiet where all is well; V=1 shows the commands. Listings (.list) and symbols are written at each build.
BUILD ?= build
CC := gcc
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
FREESTANDING := -std=c11 -O2 -flto=auto -g -ffreestanding -fno-strict-aliasing -fno-common -fno-asynchronous-unwind-tables \
	-fcf-protection=none -mgeneral-regs-only -mno-red-zone -fno-omit-frame-pointer -fno-tree-loop-distribute-patterns
KERNEL_FLAGS := $(FREESTANDING) $(WARNINGS) -mcmodel=kernel -fno-pic -fno-pie -fstack-protector-strong -mstack-protector-guard=global -Iinclude -I. $(KERNEL_EXTRA)
EXOS_FLAGS := $(FREESTANDING) -fomit-frame-pointer $(WARNINGS) -fPIE -fno-stack-protector -fvisibility=hidden -Iinclude -I.
Q := $(if $(V),,@)

KERNEL_SOURCES := $(sort $(wildcard kernel/*.c kernel/*/*.c kernel/*/*.S kernel/*/*/*.c kernel/*/*/*.S))
EXOS_SOURCES := $(sort $(filter-out exos/lib/%,$(wildcard exos/*.c exos/*/*.c exos/*/*.S exos/*/*/*.c exos/*/*/*.S)))
KERNEL_OBJECTS := $(KERNEL_SOURCES:%=$(BUILD)/%.o)
EXOS_OBJECTS := $(EXOS_SOURCES:%=$(BUILD)/%.o)

all: $(BUILD)/aegis $(BUILD)/exos.module $(BUILD)/arbiter $(BUILD)/arbiter-pack docs/reference.md listings
kernel: $(BUILD)/aegis
exos: $(BUILD)/exos.elf

# The compiler itself calls what is in these, after link-time optimisation has decided what is called.
$(BUILD)/kernel/log.c.o $(BUILD)/kernel/string.c.o: KERNEL_FLAGS += -fno-lto
$(BUILD)/exos/string.c.o: EXOS_FLAGS += -fno-lto

$(BUILD)/kernel/%.o: kernel/%
	@mkdir -p $(@D)
	$(Q)$(CC) $(KERNEL_FLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/exos/%.o: exos/%
	@mkdir -p $(@D)
	$(Q)$(CC) $(EXOS_FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/aegis: $(KERNEL_OBJECTS) kernel/x86_64/kernel.ld
	$(Q)$(CC) $(FREESTANDING) -nostdlib -static -no-pie -Wl,-T,kernel/x86_64/kernel.ld -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments -o $@ $(KERNEL_OBJECTS)
	$(Q)objdump -dS $@ > $@.list
$(BUILD)/exos.elf: $(EXOS_OBJECTS) exos/x86_64/exos.ld
	$(Q)$(CC) $(FREESTANDING) -fomit-frame-pointer -nostdlib -static -no-pie -Wl,-T,exos/x86_64/exos.ld -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments -o $@ $(EXOS_OBJECTS)
	$(Q)objdump -dS $@ > $@.list

include tools/host.mk
include tools/program.mk
include tests/kernel/kernel_test.mk
include apps/arbiter/arbiter.mk

# What boots: the image without symbols; a root archive is appended to it.
$(BUILD)/exos.module: $(BUILD)/exos.elf
	$(Q)objcopy -S $< $@

docs/reference.md: include/aegis/calls.h include/aegis/error.h tools/reference.sh
	$(Q)tools/reference.sh
reference: docs/reference.md

# Chapters that show code have it from the files that are tested; whichever was changed.
listings:
	$(Q)for chapter in $$(grep -l '^<!-- listing: ' docs/*.md); do tools/listing.sh $$chapter || exit; done

clean:
	rm -rf $(BUILD)

.PHONY: all kernel exos reference listings clean
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
