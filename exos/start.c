/* The domain's beginning, from top to bottom, and its keeper.
 *
 * start_domain runs on the image's start stack in the first environment, with nothing bound but what the kernel bound; keeper_main runs
 * on that environment's own library stack, as everything does afterwards. */
#include <aegis/x86_64/stubs.h>
#include <exos/disk/disk.h>
#include <exos/events.h>
#include <exos/file/file.h>
#include <exos/frames.h>
#include <exos/heap.h>
#include <exos/interface/interface.h>
#include <exos/lock.h>
#include <exos/proc/proc.h>
#include <exos/program/program.h>
#include <exos/random.h>
#include <exos/revoke.h>
#include <exos/self.h>
#include <exos/start.h>
#include <exos/start_file.h>
#include <exos/start_root.h>
#include <exos/tty/console.h>
#include <exos/tty/tty.h>
#include <exos/volume/volume.h>
#include <exos/x86_64/entry.h>

#define MACHINE_FAILED 125
#define LINGER_NS 2000000000ul
#define UNMOUNT_NS 30000000000ul

const struct aegis_info *machine_info;
const struct aegis_frame_info *frame_table;
const struct aegis_env_info *env_table;
const volatile uint64_t *claim_table;
env_id domain_account;
frame_t domain_shared_table;
int first_process;
bool start_network_talks;

/* All written once, here, before there is a second environment. */
static const struct aegis_boot *boot;
static struct start_file start_file;
static uint8_t *archive;
static size_t archive_length;

static int ended_status = -1; /* of the first process, as an exit status; domain lock */

void panic(const char *text, ...)
{
	char line[256];
	va_list arguments;
	int n;

	va_start(arguments, text);
	n = format(line, sizeof(line), "panic: ");
	format_va(line + n, sizeof(line) - (size_t)n, text, arguments);
	va_end(arguments);
	log_line("%s", line);
	start_machine_off(MACHINE_FAILED);
}

void start_machine_off(int status)
{
	aegis_machine_off(&boot->devices[DEVICE_MACHINE], (uint32_t)status);
	for (;;)
		exos_yield(0); /* the keeper's capability is not refused */
}

const struct aegis_cap *start_device(enum aegis_device device) { return &boot->devices[device]; }
const struct aegis_cap *start_disk(uint32_t number) { return &boot->disks[number]; }

/* start.h: before there is memory management. */
frame_t start_frame(void)
{
	frame_t f = FRAME_ANY;

	if (aegis_frame_alloc(&f, 1) != 1)
		start_machine_off(MACHINE_FAILED);
	return f;
}

void start_bind(uint64_t va, uint64_t entry)
{
	struct aegis_binding b = { va, entry };

	if (aegis_bind(0, &b, 1, NULL) != 1)
		start_machine_off(MACHINE_FAILED);
}

void start_table(uint64_t va, uint32_t level)
{
	uint64_t span = FRAME_SIZE << 9 * level;
	frame_t f = start_frame(), next = start_frame();

	while (next != f + 1) { /* a hole in the memory is lost */
		f = next;
		next = start_frame();
	}
	start_bind(ROUND_DOWN(va, span), BIND_ENTRY(f, BIND_READ | BIND_LEVEL(level)));
}

/* This environment gets what every environment has at its place: self page and library stack. */
static void bind_private_region(void)
{
	for (uint32_t level = 3; level > 0; level--)
		start_table(SELF_VA, level);
	start_bind(SELF_VA, BIND_ENTRY(boot->upcall, BIND_READ | BIND_WRITE));
	for (uint64_t va = LIBRARY_STACK_BOTTOM; va < LIBRARY_STACK_TOP; va += FRAME_SIZE)
		start_bind(va, BIND_ENTRY(start_frame(), BIND_READ | BIND_WRITE));
	self->env = domain_account = boot->env;
	self->library_top = self->stack_top = LIBRARY_STACK_TOP;
	self->who = self->env;
	self->waiter = &proc_keeper->waiter;
}

/* The table of the shared slot is one that the kernel made for the image: the root of this environment's page tables, which can be read as a page, names it. */
static void find_shared_table(void)
{
	start_table(EXOS_TABLES_VA, 2);
	start_table(EXOS_TABLES_VA, 1);
	start_bind(EXOS_TABLES_VA, BIND_ENTRY(boot->root, BIND_READ));
	domain_shared_table = (frame_t)(((const uint64_t *)EXOS_TABLES_VA)[EXOS_SHARED_VA / (FRAME_SIZE << 27)] >> FRAME_SHIFT);
}

static void set_entries(void)
{
	struct aegis_entries entries = {
		.exception = (uint64_t)exos_entry_upcall,
		.event = (uint64_t)exos_entry_upcall,
		.foreign = (uint64_t)exos_entry_foreign,
	};

	aegis_env_entries(&entries);
}

static const void *bind_table(uint64_t *va, const struct aegis_range *range)
{
	uint64_t at = *va;

	if (!frame_bind_shared(at, range->first, range->count, BIND_READ))
		panic("not enough memory for page tables");
	*va += range->count * FRAME_SIZE;
	return (const void *)at;
}

static void bind_exposed_tables(void)
{
	const struct aegis_info *info = machine_info;
	uint64_t va = EXOS_TABLES_VA;

	frame_table = bind_table(&va, &info->frame_table);
	env_table = bind_table(&va, &info->env_table);
	claim_table = bind_table(&va, &info->claim_table);
}

void start_domain(const struct aegis_boot *from);
void start_domain(const struct aegis_boot *from)
{
	boot = from;
	machine_info = (const void *)(AEGIS_START_VA + 2 * FRAME_SIZE);
	aegis_device_bind(&boot->devices[DEVICE_CONSOLE0], 0);
	aegis_device_bind(&boot->devices[DEVICE_CONSOLE1], 0);
	bind_private_region();
	find_shared_table();
	set_entries();
}

/* The archive begins on the page after the image, whose file ends with its section headers. */
static void find_archive(void)
{
	const struct {
		uint8_t before[40];
		uint64_t sections;
		uint8_t between[10];
		uint16_t section_size, section_count;
	} *image = (const void *)boot->module_va;
	uint64_t at = ROUND_UP(image->sections + (uint64_t)image->section_size * image->section_count, FRAME_SIZE);

	if (at >= boot->module_bytes)
		panic("no archive follows the library in the boot module");
	archive = (uint8_t *)boot->module_va + at;
	archive_length = boot->module_bytes - at;
}

static void give_back_archive(void)
{
	struct aegis_binding broken[AEGIS_BATCH_MAX];
	frame_t frames[AEGIS_BATCH_MAX];
	uint64_t va = (uint64_t)archive, end = boot->module_va + (uint64_t)boot->module_frames * FRAME_SIZE;

	while (va < end) {
		uint64_t n = 0;

		for (; n < AEGIS_BATCH_MAX && va < end; n++, va += FRAME_SIZE) {
			broken[n] = (struct aegis_binding){ va, 0 };
			frames[n] = boot->module_first + (frame_t)((va - boot->module_va) / FRAME_SIZE);
		}
		if (aegis_bind(0, broken, n, NULL) != (int64_t)n || aegis_frame_free(frames, n) != (int64_t)n)
			panic("the archive's frames cannot be given back");
	}
}

static void fill_root(void)
{
	char *bytes;
	size_t length;
	int error;

	find_archive();
	if (cpio_find(archive, archive_length, START_FILE, (const uint8_t **)&bytes, &length))
		panic("the archive does not begin with " START_FILE);
	error = start_file_parse(&start_file, bytes, length);
	if (error == -E2BIG)
		panic("more than %d arguments or environment variables", START_STRINGS);
	if (error)
		panic(START_FILE " is damaged");
	if (start_file.plain)
		link_start(true);
	if (start_file.root) /* which has its files */
		return;
	error = cpio_unpack(archive, archive_length);
	if (error == -ENOSPC || error == -ENOMEM)
		panic("not enough memory to unpack the root file system; give the machine more (--mem)");
	if (error)
		panic("the root file system's archive is damaged");
}

/* PROGRAM cannot be started: said as a shell would say it, with a shell's status. */
static void refuse_program(int error)
{
	static const struct {
		int error;
		const char *text;
	} texts[] = {
		{ENOENT, "No such file or directory"}, {EACCES, "Permission denied"}, {ENOEXEC, "Exec format error"},
		{ENOMEM, "Cannot allocate memory"}, {ENOTDIR, "Not a directory"}, {EISDIR, "Is a directory"},
		{ELOOP, "Too many levels of symbolic links"}, {E2BIG, "Argument list too long"},
		{ELIBBAD, "Accessing a corrupted shared library"},
	};
	char line[320];
	const char *text = "cannot be started";

	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
		if (texts[i].error == error)
			text = texts[i].text;
	link_send(LINK_ERROR, line, MIN((size_t)format(line, sizeof(line), "exo: %s: %s\n", start_file.argv[0], text), sizeof(line) - 1));
	ended_status = error == ENOENT ? 127 : 126;
}

static bool has_variable(const char *name)
{
	size_t length = strlen(name);

	for (char *const *v = start_file.envp; *v; v++)
		if (strncmp(*v, name, length) == 0 && (*v)[length] == '=')
			return true;
	return false;
}

static void start_first_process(void)
{
	struct proc *p;
	int error = -ENOENT;

	if (start_file.program)
		error = proc_spawn(start_file.program, start_file.argv, start_file.envp, start_file.cwd, &p);

	if (error) {
		refuse_program(-error);
		return;
	}
	first_process = p->pid;
	p->files = file_table_new();
	for (int i = 0; p->files && i < 3; i++) {
		struct file *f = tty_standard(i);

		if (f)
			file_install_at(p->files, f, i, false);
	}
	if (!p->files)
		panic("not enough memory for the first process");
	if (console_tty)
		tty_make_controlling(console_tty, p);
}

void start_program_ended(int exit_status)
{
	ended_status = exit_status & 127 ? 128 + (exit_status & 127) : exit_status >> 8 & 255;
	wake_proc(proc_keeper);
}

static void start_services(void)
{
	if (!frames_start(machine_info))
		panic("not enough memory for the library; give the machine more (--mem)");
	bind_exposed_tables();
	random_seed(boot->seed, sizeof(boot->seed));
	proc_start();
	time_start(machine_info->boot_seconds);
	link_start(machine_info->consoles < 2);
	if (file_systems_start())
		panic("not enough memory for the root file system; give the machine more (--mem)");
	fill_root();
	disks_start();
	if (start_file.root)
		root_on_disk(&start_file, archive, archive_length);
	if (start_file.epoch)
		time_set_calendar(start_file.epoch * 1000000000ul);
	if (tty_start(start_file.terminal, start_file.rows, start_file.columns))
		panic("not enough memory for the terminal");
	start_network_talks = has_variable("EXO_NET_DEBUG");
	start_first_process();
	give_back_archive();
}

static uint64_t earlier(uint64_t a, uint64_t b) { return a && (!b || a < b) ? a : b; }

/* Sleeps until there is an event, or something is due, or `until` (ticks; 0: none). When the interface wants the timers looked at is asked here: a packet that came while the lock was held was taken in when it was released, and may
 * have made that earlier. */
static uint64_t keeper_wait(uint64_t until)
{
	uint64_t bits;

	self->upcall.disabled = 1; /* as in sched/wait.c: nothing is lost between the look and the sleep */
	bits = self->events | __atomic_exchange_n(&self->upcall.pending, 0, __ATOMIC_ACQUIRE);
	if (!(bits & ~(uint64_t)EVENT_SLICE_END)) {
		until = earlier(earlier(until, interface_due()), program_net_due());
		exos_sleep(~0ul, earlier(until, earlier(proc_next_alarm(), revoke_time())), 0);
		bits = __atomic_exchange_n(&self->upcall.pending, 0, __ATOMIC_ACQUIRE);
	}
	self->events = 0;
	self->upcall.disabled = 0;
	return bits;
}

/* Nothing but devices is looked after until something is over, or its time is. */
static void wait_for(bool (*unfinished)(void), uint64_t ns)
{
	uint64_t end = time_deadline(ns);

	while (unfinished() && ticks_now() < end) {
		uint64_t bits;

		interface_watch();
		domain_unlock();
		bits = keeper_wait(end);
		domain_lock();
		if (bits & EVENT_NET)
			interface_input();
		disk_input();
		interface_tick();
	}
}

static bool volumes_unfinished(void) { return !volumes_end(); }

static void end_machine(void)
{
	uint8_t status = (uint8_t)ended_status;

	wait_for(interface_unfinished, LINGER_NS); /* what connections have yet to send */
	wait_for(volumes_unfinished, UNMOUNT_NS);
	link_send(LINK_EXIT, &status, 1);
	start_machine_off(status);
}

_Noreturn void keeper_main(void);
void keeper_main(void)
{
	domain_lock();
	start_services();
	for (;;) {
		uint64_t bits;

		if (ended_status >= 0)
			end_machine();
		interface_watch();
		domain_unlock();
		bits = keeper_wait(0);
		domain_lock();
		if (bits & EVENT_NET)
			interface_input();
		disk_input(); /* whatever the event: who was told may have been stopped before it could take them in */
		interface_tick();
		if (bits & EVENT_CONSOLE)
			link_receive();
		if (bits & EVENT_REVOKE)
			revoke_answer();
		if (bits & EVENT_REPOSSESSED)
			revoke_losses();
		revoke_check();
		proc_reap();
		program_net_reap();
		proc_check_alarms();
	}
}
