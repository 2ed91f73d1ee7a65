# The tools that run on the build host, and the baseline's process 1. Included by the Makefile.
TOOL_FLAGS := -D_GNU_SOURCE -std=c11 -O2 -g $(WARNINGS) -I.

$(BUILD)/pack: $(wildcard tools/pack/*.c) $(wildcard tools/pack/*.h)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_FLAGS) -o $@ $(filter %.c,$^)
$(BUILD)/link: $(wildcard tools/link/*.c) $(wildcard tools/link/*.h) exos/tty/link.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_FLAGS) -o $@ $(filter %.c,$^)
$(BUILD)/linux-init: $(wildcard tools/init/*.[ch]) exos/tty/link.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_FLAGS) -static -o $@ $(filter %.c,$^)
$(BUILD)/join: tools/join.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_FLAGS) -o $@ $<
$(BUILD)/tsc: tools/tsc.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_FLAGS) -o $@ $<
$(BUILD)/cachesim.so: $(wildcard tools/cachesim/*.[ch])
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_FLAGS) -fPIC -shared -fvisibility=hidden -o $@ $(filter %.c,$^)
$(BUILD)/count.so $(BUILD)/profile.so: $(BUILD)/%.so: tools/count/%.c tools/cachesim/qemu.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_FLAGS) -fPIC -shared -fvisibility=hidden -o $@ $(filter %.c,$^)
$(BUILD)/backlog.so: tools/backlog.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_FLAGS) -fPIC -shared -o $@ $<
$(BUILD)/wire: $(wildcard tests/net/wire/*.[ch]) tools/backlog.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOL_FLAGS) -o $@ $(filter %.c,$^) -lslirp
