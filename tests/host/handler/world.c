/* See world.h. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aegis/error.h>

#include "world.h"

#define CODE_SIZE (256 * 1024)
#define POISON 0xa5

/* A page that can be used between two that cannot. A region lies at its beginning or at its end. */
struct area {
	uint8_t *page;
	uint32_t size; /* of all that can be used, whole frames */
};
enum { AREA_PACKET, AREA_MEMORY, AREA_STACK, AREAS };
static struct area areas[2][AREAS]; /* for the compiled code, and for the interpreter */
static uint8_t *code;
static size_t code_size;
static uint64_t work[HANDLER_WORK / 8];
static struct outcome *noting;
static struct handler_run run;
static const struct aegis_ebpf *running;
static uint32_t running_length;
char world_doing[256];
uint32_t world_memory = FRAME_SIZE;

static void say(const char *text)
{
	if (write(1, text, strlen(text)) < 0)
		_exit(2);
}

static void fault(int number)
{
	say("not ok - a compiled handler stays inside: it ended by a signal\n# ");
	say(number == SIGALRM ? "it took too long; " : "fault; ");
	say(world_doing);
	say("\n");
	if (running)
		world_print(running, running_length);
	_exit(1);
}

static uint8_t *guarded(uint32_t size)
{
	uint8_t *p = mmap(NULL, size + 2 * FRAME_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + FRAME_SIZE, size, PROT_READ | PROT_WRITE))
		abort();
	return p + FRAME_SIZE;
}

void world_make(void)
{
	static uint8_t own_stack[65536];
	stack_t on = {.ss_sp = own_stack, .ss_size = sizeof(own_stack)};
	struct sigaction action = {.sa_handler = fault, .sa_flags = SA_ONSTACK};

	sigaltstack(&on, NULL);
	for (int n = 0; n < 4; n++)
		sigaction((int[]){SIGSEGV, SIGBUS, SIGFPE, SIGALRM}[n], &action, NULL);
	sigaction(SIGILL, &action, NULL);
	for (int i = 0; i < 2; i++)
		for (int a = 0; a < AREAS; a++)
			areas[i][a].page = guarded(areas[i][a].size = a == AREA_MEMORY ? WORLD_MEMORY_MOST : FRAME_SIZE);
	code = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code == MAP_FAILED)
		abort();
}

const char *world_compile(const struct aegis_ebpf *program, uint32_t n)
{
	const char *reason = NULL;
	int64_t size;

	memset(work, POISON, sizeof(work)); /* whatever was there before */
	size = handler_compile(program, n, world_memory, code, CODE_SIZE, work, &reason);
	code_size = size > 0 ? size : 0;
	if (size > 0)
		return NULL;
	return size == -E_INVALID && reason ? reason : "(no reason was given)";
}

size_t world_code_size(void) { return code_size; }

/* ---- The calls ---- */

static uint64_t digest(const uint8_t *from, uint64_t n)
{
	uint64_t d = 0xcbf29ce484222325;

	for (uint64_t i = 0; i < n; i++)
		d = (d ^ from[i]) * 0x100000001b3;
	return d;
}

static int64_t note(uint32_t number, uint64_t target, const uint8_t *from, uint64_t length)
{
	const uint8_t *starts[] = {run.context.packet, run.context.memory, run.stack};
	uint64_t lengths[] = {run.context.packet_end - run.context.packet, world_memory, ASH_STACK};
	struct noted_call call = {.number = number, .region = AREAS, .target = target, .length = length};

	for (uint32_t region = 0; number != ASH_CALL_TIME && region < AREAS; region++) {
		if (from >= starts[region] && (uint64_t)(from - starts[region]) <= lengths[region] && length <= lengths[region] - (from - starts[region])) {
			call.region = region;
			call.at = from - starts[region];
			call.digest = digest(from, length);
		}
	}
	if (number != ASH_CALL_TIME && call.region == AREAS) {
		say("not ok - a call gets what lies in a region\n");
		fault(0);
	}
	if (noting->calls < CALLS_NOTED)
		noting->noted[noting->calls] = call;
	noting->calls++;
	return (int64_t)(call.digest * 0x9e3779b97f4a7c15 + noting->calls) >> (noting->calls % 60);
}

static uint16_t sum(const uint8_t *from, uint64_t length)
{
	uint64_t total = 0;

	for (uint64_t i = 0; i < length; i++)
		total += (uint64_t)from[i] << i % 2 * 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return total;
}

static int64_t call_send(void *owner, const uint8_t *from, uint64_t length)
{
	if (owner != &run)
		abort();
	note(ASH_CALL_SEND, 0, from, length);
	if (length < 14 || length > 1514)
		return -E_INVALID;
	noting->sent_length = length;
	memcpy(noting->sent, from, length);
	return 0;
}

static int64_t call_copy(void *owner, uint64_t offset, const uint8_t *from, uint64_t length)
{
	if (owner != &run)
		abort();
	note(ASH_CALL_COPY, offset, from, length);
	if (offset > world_memory || length > world_memory - offset)
		return -E_INVALID;
	memmove(run.context.memory + offset, from, length);
	return sum(run.context.memory + offset, length);
}

static int64_t call_sum(void *owner, const uint8_t *from, uint64_t length)
{
	if (owner != &run)
		abort();
	note(ASH_CALL_SUM, 0, from, length);
	return sum(from, length);
}

static int64_t call_time(void *owner)
{
	if (owner != &run)
		abort();
	return note(ASH_CALL_TIME, 0, NULL, 0);
}

/* ---- Runs ---- */

/* The region of so many bytes in an area; the rest of it is poisoned. */
static uint8_t *place(struct area *area, uint32_t length, bool at_end)
{
	memset(area->page, POISON, area->size);
	return at_end ? area->page + area->size - length : area->page;
}

static void check_around(const struct area *area, const uint8_t *region, uint32_t length)
{
	static uint8_t poison[WORLD_MEMORY_MOST];

	if (!poison[0])
		memset(poison, POISON, sizeof(poison));
	if (memcmp(area->page, poison, region - area->page) || memcmp(region + length, poison, area->page + area->size - region - length)) {
		say("not ok - a handler writes nothing outside its regions\n");
		fault(0);
	}
}

static void prepare(const struct input *in, struct outcome *out, struct area *at, bool at_end)
{
	out->calls = 0;
	out->sent_length = 0;
	noting = out;
	run = (struct handler_run){.steps = in->steps, .owner = &run, .send = call_send, .copy = call_copy, .sum = call_sum, .time = call_time};
	run.context.packet = place(&at[AREA_PACKET], in->length, at_end);
	run.context.packet_end = run.context.packet + in->length;
	run.context.memory = place(&at[AREA_MEMORY], world_memory, at_end);
	run.context.memory_end = run.context.memory + world_memory;
	run.context.tag = in->tag;
	run.context.arrived = in->tag * 3;
	run.stack = place(&at[AREA_STACK], ASH_STACK, !at_end);
	memcpy(run.context.packet, in->packet, in->length);
	if (in->memory)
		memcpy(run.context.memory, in->memory, world_memory);
	else
		memset(run.context.memory, 0, world_memory);
}

static void conclude(const struct input *in, struct outcome *out, struct area *at)
{
	out->steps = run.steps;
	memcpy(out->packet, run.context.packet, in->length);
	memcpy(out->memory, run.context.memory, world_memory);
	check_around(&at[AREA_MEMORY], run.context.memory, world_memory);
	check_around(&at[AREA_PACKET], run.context.packet, in->length);
	check_around(&at[AREA_STACK], run.stack, ASH_STACK);
}

void world_run(const struct input *in, struct outcome *out)
{
	struct ash_context before;

	prepare(in, out, areas[0], true);
	before = run.context;
	out->result = handler_run(code, &run);
	if (memcmp(&before, &run.context, sizeof(before))) {
		say("not ok - the context is as it was\n");
		fault(0);
	}
	conclude(in, out, areas[0]);
}

void world_interpret(const struct aegis_ebpf *program, uint32_t n, const struct input *in, struct outcome *out)
{
	prepare(in, out, areas[1], false);
	out->result = handler_interpret(program, n, &run);
	conclude(in, out, areas[1]);
}

uint64_t world_count(const struct input *in)
{
	static struct outcome out;
	struct user_regs_struct registers;
	uint64_t count = 0;
	int status;
	pid_t child = fork();

	if (!child) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(1);
		prepare(in, &out, areas[0], true);
		raise(SIGSTOP);
		handler_run(code, &run);
		_exit(0);
	}
	while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
		if (!ptrace(PTRACE_GETREGS, child, NULL, &registers))
			count += registers.rip - (uintptr_t)code < code_size;
		if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL))
			break;
	}
	return WIFEXITED(status) && !WEXITSTATUS(status) ? count : 0;
}

const char *world_compare(const struct aegis_ebpf *program, uint32_t n, const struct input *in, struct outcome *out)
{
	static struct outcome other;

	running = program;
	running_length = n;
	world_interpret(program, n, in, &other);
	if (other.result == HANDLER_UNSAFE)
		return "an unsafe program was accepted";
	world_run(in, out);
	running = NULL;
	if (out->result != other.result)
		return "the results differ";
	if (out->steps != other.steps)
		return "the steps differ";
	if (out->calls != other.calls || memcmp(out->noted, other.noted, (out->calls < CALLS_NOTED ? out->calls : CALLS_NOTED) * sizeof(out->noted[0])))
		return "the calls differ";
	if (memcmp(out->packet, other.packet, in->length))
		return "the packets differ";
	if (memcmp(out->memory, other.memory, world_memory))
		return "the memories differ";
	return NULL;
}

void world_print(const struct aegis_ebpf *program, uint32_t n)
{
	char line[160];

	for (uint32_t i = 0; i < n; i++) {
		snprintf(line, sizeof(line), "# %4u: code %02x  r%u, r%u  offset %d  immediate %d\n", i, program[i].code, program[i].registers & 15,
			program[i].registers >> 4, program[i].offset, program[i].immediate);
		say(line);
	}
}

/* ---- TAP ---- */

static int points, failed;

void point(bool good, const char *name, const char *why)
{
	if (!good)
		printf("# %s\n", why ? why : "");
	printf("%sok %d - %s\n", good ? "" : "not ", ++points, name);
	fflush(stdout);
	failed += !good;
}

int points_end(void)
{
	printf("1..%d\n", points);
	return failed ? 1 : 0;
}
