# The kernel's tests and native benches: programs that are the first environment themselves. Included by the Makefile.
KERNEL_TEST_FLAGS := $(FREESTANDING) $(WARNINGS) -fno-pic -fno-stack-protector -Iinclude -I.
KERNEL_TEST_COMMON := tests/kernel/lib.c $(wildcard tests/kernel/x86_64/*.S)
KERNEL_TEST_OBJECTS := $(KERNEL_TEST_COMMON:%=$(BUILD)/%.o)
KERNEL_TESTS := $(patsubst tests/kernel/%.c,$(BUILD)/tests/kernel/%,$(wildcard tests/kernel/*_test.c))
KERNEL_BENCHES := $(BUILD)/bench/kernel/native

kernel-tests: $(KERNEL_TESTS)
kernel-benches: $(KERNEL_BENCHES)

$(BUILD)/tests/kernel/%.o: tests/kernel/%
	@mkdir -p $(@D)
	$(Q)$(CC) $(KERNEL_TEST_FLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/bench/kernel/%.o: bench/kernel/%
	@mkdir -p $(@D)
	$(Q)$(CC) $(KERNEL_TEST_FLAGS) -MMD -MP -c -o $@ $<

KERNEL_TEST_LINK = $(Q)$(CC) -nostdlib -static -no-pie -Wl,-T,tests/kernel/x86_64/kernel_test.ld -Wl,--build-id=none \
	-Wl,-z,max-page-size=4096 -o $@ $(filter %.o,$^)
$(BUILD)/tests/kernel/%_test: $(BUILD)/tests/kernel/%_test.c.o $(KERNEL_TEST_OBJECTS) tests/kernel/x86_64/kernel_test.ld
	$(KERNEL_TEST_LINK)
$(BUILD)/bench/kernel/native: $(patsubst %,$(BUILD)/%.o,$(wildcard bench/kernel/*.c bench/kernel/x86_64/*.S)) $(KERNEL_TEST_OBJECTS) \
		tests/kernel/x86_64/kernel_test.ld
	$(KERNEL_TEST_LINK)

.PHONY: kernel-tests kernel-benches
.SECONDARY: $(KERNEL_TESTS:%=%.c.o)
