# The kernel's tests (those that attack it too) and native benches: programs that are the first environment themselves. Included by the Makefile.
KERNEL_TEST_FLAGS := $(FREESTANDING) $(WARNINGS) -fno-pic -fno-stack-protector -Iinclude -I.
KERNEL_TEST_COMMON := tests/kernel/lib.c tests/kernel/packets.c tests/kernel/disks.c $(wildcard tests/kernel/x86_64/*.S)
KERNEL_TEST_OBJECTS := $(KERNEL_TEST_COMMON:%=$(BUILD)/%.o)
KERNEL_TESTS := $(patsubst tests/kernel/%.c,$(BUILD)/tests/kernel/%,$(wildcard tests/kernel/*_test.c))
HOSTILE_TESTS := $(patsubst tests/hostile/%.c,$(BUILD)/tests/hostile/%,$(wildcard tests/hostile/*_test.c))
HOSTILE_COMMON := tests/hostile/hostile.c $(wildcard tests/hostile/x86_64/*.S)
HOSTILE_OBJECTS := $(HOSTILE_COMMON:%=$(BUILD)/%.o) $(KERNEL_TEST_OBJECTS)
# Those named *_smp_test run on two CPUs and share smp.c.
SMP_TEST_OBJECTS := $(BUILD)/tests/hostile/smp.c.o $(BUILD)/tests/hostile/x86_64/smp.S.o
KERNEL_BENCHES := $(patsubst bench/kernel/%.c,$(BUILD)/bench/kernel/%,$(wildcard bench/kernel/*.c))

kernel-tests: $(KERNEL_TESTS)
hostile-tests: $(HOSTILE_TESTS)
kernel-benches: $(KERNEL_BENCHES)

$(BUILD)/tests/kernel/%.o: tests/kernel/%
	@mkdir -p $(@D)
	$(Q)$(CC) $(KERNEL_TEST_FLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/tests/hostile/%.o: tests/hostile/%
	@mkdir -p $(@D)
	$(Q)$(CC) $(KERNEL_TEST_FLAGS) $(TEST_SEED:%=-DTEST_SEED=%) -MMD -MP -c -o $@ $<
$(BUILD)/bench/kernel/%.o: bench/kernel/%
	@mkdir -p $(@D)
	$(Q)$(CC) $(KERNEL_TEST_FLAGS) -MMD -MP -c -o $@ $<

KERNEL_TEST_LINK = $(Q)$(CC) -nostdlib -static -no-pie -Wl,-T,tests/kernel/x86_64/kernel_test.ld -Wl,--build-id=none \
	-Wl,-z,max-page-size=4096 -o $@ $(filter %.o,$^)
$(BUILD)/tests/kernel/%_test: $(BUILD)/tests/kernel/%_test.c.o $(KERNEL_TEST_OBJECTS) tests/kernel/x86_64/kernel_test.ld
	$(KERNEL_TEST_LINK)
$(BUILD)/tests/hostile/%_smp_test: $(BUILD)/tests/hostile/%_smp_test.c.o $(SMP_TEST_OBJECTS) $(KERNEL_TEST_OBJECTS) tests/kernel/x86_64/kernel_test.ld
	$(KERNEL_TEST_LINK)
$(BUILD)/tests/hostile/%_test: $(BUILD)/tests/hostile/%_test.c.o $(HOSTILE_OBJECTS) tests/kernel/x86_64/kernel_test.ld
	$(KERNEL_TEST_LINK)
$(BUILD)/bench/kernel/native: $(BUILD)/bench/kernel/x86_64/loops.S.o
$(BUILD)/bench/kernel/ash: $(BUILD)/bench/kernel/x86_64/handlers.S.o
$(BUILD)/bench/kernel/x86_64/handlers.S.o: $(BUILD)/bench/handlers/timed_echo.bin $(BUILD)/bench/handlers/ask.bin
$(BUILD)/bench/kernel/x86_64/handlers.S.o: KERNEL_TEST_FLAGS += -Wa,-I,$(BUILD)/bench/handlers
$(KERNEL_BENCHES): $(BUILD)/bench/kernel/%: $(BUILD)/bench/kernel/%.c.o $(KERNEL_TEST_OBJECTS) tests/kernel/x86_64/kernel_test.ld
	$(KERNEL_TEST_LINK)

.PHONY: kernel-tests hostile-tests kernel-benches
.SECONDARY: $(KERNEL_TESTS:%=%.c.o) $(HOSTILE_TESTS:%=%.c.o)
