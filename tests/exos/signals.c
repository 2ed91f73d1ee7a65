/* Signals: handlers, masks, interrupted calls, alternate stacks, what faults give, and what a handler may do. */
#include "lib.h"

#include <setjmp.h>
#include <sys/time.h>
#include <ucontext.h>

static volatile sig_atomic_t count, last_signal;
static siginfo_t last_info;

static void note(int signal)
{
	count++;
	last_signal = signal;
}

static void note_info(int signal, siginfo_t *info, void *context)
{
	(void)context;
	note(signal);
	last_info = *info;
}

static void handle(int signal, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	sigemptyset(&action.sa_mask);
	CHECK(!sigaction(signal, &action, NULL));
}

static void handle_info(int signal, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO };

	sigemptyset(&action.sa_mask);
	CHECK(!sigaction(signal, &action, NULL));
}

static void block(int how, int signal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	CHECK(!sigprocmask(how, &set, NULL));
}

static void default_actions_are_taken(void)
{
	static const struct {
		int signal, status;
	} expected[] = { { SIGTERM, SIGTERM }, { SIGKILL, SIGKILL }, { SIGUSR1, SIGUSR1 }, { SIGALRM, SIGALRM }, { SIGPIPE, SIGPIPE },
		{ SIGCHLD, EXITED(0) }, { SIGURG, EXITED(0) }, { SIGWINCH, EXITED(0) }, { SIGCONT, EXITED(0) }, { 40, 40 } };

	for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
		pid_t pid = fork();
		if (!pid) {
			kill(getpid(), expected[i].signal);
			_exit(0);
		}
		ENDS(pid, expected[i].status);
	}
	/* These would leave a core dump where that is allowed. */
	pid_t pid = fork();
	if (!pid)
		abort();
	int status;
	waitpid(pid, &status, 0);
	IS(WTERMSIG(status), SIGABRT);
}

static void handler_runs_before_kill_returns(void)
{
	handle(SIGUSR1, note, 0);
	for (int i = 1; i <= 100; i++) {
		CHECK(!kill(getpid(), SIGUSR1));
		IS(count, i);
	}
	IS(last_signal, SIGUSR1);
}

static void information_names_the_sender(void)
{
	handle_info(SIGUSR1, note_info, 0);
	kill(getpid(), SIGUSR1);
	IS(last_info.si_signo, SIGUSR1);
	IS(last_info.si_code, SI_USER);
	IS(last_info.si_pid, getpid());
	IS(last_info.si_uid, getuid());
}

static void blocked_signal_waits(void)
{
	sigset_t pending;

	handle(SIGUSR1, note, 0);
	block(SIG_BLOCK, SIGUSR1);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);
	IS(count, 0);
	CHECK(!sigpending(&pending));
	IS(sigismember(&pending, SIGUSR1), 1);
	IS(sigismember(&pending, SIGUSR2), 0);
	block(SIG_UNBLOCK, SIGUSR1);
	IS(count, 1); /* standard signals do not queue */
	CHECK(!sigpending(&pending));
	IS(sigismember(&pending, SIGUSR1), 0);
}

static void kill_and_stop_cannot_be_caught_or_blocked(void)
{
	struct sigaction action = { .sa_handler = note };
	sigset_t set;

	FAILS(sigaction(SIGKILL, &action, NULL), EINVAL);
	FAILS(sigaction(SIGSTOP, &action, NULL), EINVAL);
	sigfillset(&set);
	CHECK(!sigprocmask(SIG_SETMASK, &set, NULL));
	CHECK(!sigprocmask(SIG_SETMASK, NULL, &set));
	IS(sigismember(&set, SIGKILL), 0);
	IS(sigismember(&set, SIGSTOP), 0);
	IS(sigismember(&set, SIGTERM), 1);
}

static volatile sig_atomic_t depth, deepest;
static void nest(int signal)
{
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (++count < 5)
		kill(getpid(), signal);
	depth--;
}

static void signal_is_blocked_in_its_handler(void)
{
	handle(SIGUSR1, nest, 0);
	kill(getpid(), SIGUSR1);
	IS(count, 5);
	IS(deepest, 1);
	count = deepest = 0;
	handle(SIGUSR1, nest, SA_NODEFER);
	kill(getpid(), SIGUSR1);
	IS(count, 5);
	IS(deepest, 5);
}

static void mask_of_the_action_holds_during_the_handler(void)
{
	struct sigaction action = { .sa_handler = nest };
	sigset_t set;

	sigfillset(&action.sa_mask);
	CHECK(!sigaction(SIGUSR1, &action, NULL));
	handle(SIGUSR2, note, 0);
	count = 4;
	kill(getpid(), SIGUSR1);
	IS(deepest, 1);
	CHECK(!sigprocmask(SIG_SETMASK, NULL, &set));
	IS(sigismember(&set, SIGUSR1), 0);
	IS(sigismember(&set, SIGUSR2), 0);
}

static void reset_hand_takes_one_signal(void)
{
	struct sigaction now;

	handle(SIGUSR1, note, SA_RESETHAND);
	kill(getpid(), SIGUSR1);
	IS(count, 1);
	CHECK(!sigaction(SIGUSR1, NULL, &now));
	CHECK(now.sa_handler == SIG_DFL);
}

static pid_t signal_me_later(int signal, long ms)
{
	pid_t parent = getpid(), pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		sleep_ms(ms);
		kill(parent, signal);
		_exit(0);
	}
	return pid;
}

static void interrupted_read_fails_or_goes_on(void)
{
	int ends[2];
	char c;

	CHECK(!pipe(ends));
	handle(SIGUSR1, note, 0);
	pid_t pid = signal_me_later(SIGUSR1, 30);
	FAILS(read(ends[0], &c, 1), EINTR);
	IS(count, 1);
	ENDS(pid, EXITED(0));
	handle(SIGUSR1, note, SA_RESTART);
	pid_t parent = getpid();
	pid = fork();
	if (!pid) {
		sleep_ms(30);
		kill(parent, SIGUSR1);
		sleep_ms(30);
		_exit(write(ends[1], "y", 1) != 1);
	}
	IS(read(ends[0], &c, 1), 1);
	CHECK(c == 'y');
	IS(count, 2);
	ENDS(pid, EXITED(0));
}

static void ignored_signal_interrupts_nothing(void)
{
	int64_t start = now_ms();

	signal(SIGUSR1, SIG_IGN);
	pid_t pid = signal_me_later(SIGUSR1, 20);
	struct timespec t = { 0, 100000000 };
	IS(nanosleep(&t, NULL), 0);
	CHECK(now_ms() - start >= 99);
	ENDS(pid, EXITED(0));
}

static void interrupted_sleep_tells_what_is_left(void)
{
	struct timespec t = { 10, 0 }, left = { 0, 0 };

	handle(SIGUSR1, note, SA_RESTART);
	pid_t pid = signal_me_later(SIGUSR1, 50);
	FAILS(nanosleep(&t, &left), EINTR);
	CHECK(left.tv_sec == 9 && left.tv_nsec > 0);
	ENDS(pid, EXITED(0));
}

static void pause_and_sigsuspend_wait_for_a_handler(void)
{
	sigset_t none, set;

	handle(SIGUSR1, note, 0);
	pid_t pid = signal_me_later(SIGUSR1, 30);
	FAILS(pause(), EINTR);
	IS(count, 1);
	ENDS(pid, EXITED(0));
	block(SIG_BLOCK, SIGUSR1);
	kill(getpid(), SIGUSR1);
	IS(count, 1);
	sigemptyset(&none);
	FAILS(sigsuspend(&none), EINTR);
	IS(count, 2);
	CHECK(!sigprocmask(SIG_SETMASK, NULL, &set));
	IS(sigismember(&set, SIGUSR1), 1);
}

static void sigtimedwait_takes_without_handler(void)
{
	sigset_t set;
	siginfo_t info;
	struct timespec soon = { 0, 30000000 };

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK(!sigprocmask(SIG_BLOCK, &set, NULL));
	FAILS(sigtimedwait(&set, &info, &soon), EAGAIN);
	kill(getpid(), SIGUSR1);
	IS(sigtimedwait(&set, &info, &soon), SIGUSR1);
	IS(info.si_pid, getpid());
}

static stack_t alternate;
static volatile bool on_alternate;
static jmp_buf back;
static void look_where(int signal)
{
	char here;

	note(signal);
	on_alternate = &here >= (char *)alternate.ss_sp && &here < (char *)alternate.ss_sp + alternate.ss_size;
}

static void alternate_stack_is_used_if_asked(void)
{
	alternate.ss_size = 16384;
	alternate.ss_sp = malloc(alternate.ss_size);
	CHECK(!sigaltstack(&alternate, NULL));
	handle(SIGUSR1, look_where, 0);
	kill(getpid(), SIGUSR1);
	CHECK(!on_alternate);
	handle(SIGUSR1, look_where, SA_ONSTACK);
	kill(getpid(), SIGUSR1);
	CHECK(on_alternate);
	stack_t now;
	CHECK(!sigaltstack(NULL, &now));
	CHECK(now.ss_sp == alternate.ss_sp && now.ss_flags == 0);
}

static void leave(int signal)
{
	look_where(signal);
	siglongjmp(back, 1);
}

static int overflow(int n)
{
	volatile char space[1024];

	space[0] = (char)n;
	return n < 0 ? 0 : overflow(n + 1) + space[0];
}

static void stack_overflow_can_be_handled_on_the_alternate_stack(void)
{
	alternate.ss_size = 16384;
	alternate.ss_sp = malloc(alternate.ss_size);
	CHECK(!sigaltstack(&alternate, NULL));
	handle(SIGSEGV, leave, SA_ONSTACK);
	if (!sigsetjmp(back, 1))
		overflow(0);
	IS(count, 1);
	CHECK(on_alternate);
}

static void stack_overflow_without_one_ends_the_process(void)
{
	pid_t pid = fork();

	if (!pid) {
		handle(SIGSEGV, note, 0);
		_exit(overflow(0));
	}
	int status;
	IS(waitpid(pid, &status, 0), pid);
	IS(WTERMSIG(status), SIGSEGV);
}

static void *bad_address;
static void repair(int signal, siginfo_t *info, void *context)
{
	(void)context;
	note(signal);
	last_info = *info;
	mprotect((void *)((uintptr_t)info->si_addr & ~4095ul), 4096, PROT_READ | PROT_WRITE);
}

static void fault_handler_repairs_and_the_access_is_repeated(void)
{
	volatile char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	bad_address = (void *)(page + 123);
	handle_info(SIGSEGV, repair, 0);
	page[123] = 5;
	IS(page[123], 5);
	IS(count, 1);
	CHECK(last_info.si_addr == bad_address);
	IS(last_info.si_code, SEGV_ACCERR);
}

static void skip_two(int signal, siginfo_t *info, void *context)
{
	note(signal);
	last_info = *info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RBX] = 99;
}

static void handler_may_change_the_registers(void)
{
	uint64_t rbx = 1;

	handle_info(SIGILL, skip_two, 0);
	__asm__ volatile("ud2" : "+b"(rbx));
	IS(rbx, 99);
	IS(last_info.si_code, ILL_ILLOPN);
}

static void divide(void) { __asm__ volatile("xor %%ecx, %%ecx\n mov $1, %%eax\n cdq\n idiv %%ecx" : : : "eax", "ecx", "edx"); }
static void read_null(void) { __asm__ volatile("xor %%ecx, %%ecx\n mov (%%rcx), %%eax" : : : "eax", "ecx"); }
static void read_noncanonical(void) { __asm__ volatile("mov $0x8000000000000000, %%rcx\n mov (%%rcx), %%eax" : : : "eax", "rcx"); }
static void jump_to_garbage(void) { __asm__ volatile("mov $0x12345678, %%ecx\n jmp *%%rcx" : : : "ecx"); }
static void write_text(void) { __asm__ volatile("lea (%%rip), %%rcx\n movb $0, (%%rcx)" : : : "rcx", "memory"); }
static void privileged(void) { __asm__ volatile("hlt"); }
static void undefined(void) { __asm__ volatile("ud2"); }
static void breakpoint(void) { __asm__ volatile("int3"); }
static void touch_kernel(void) { __asm__ volatile("mov $0xffffffff80000000, %%rcx\n mov (%%rcx), %%eax" : : : "eax", "rcx"); }

static void exit_with_information(int signal, siginfo_t *info, void *context)
{
	(void)context;
	_exit(signal | info->si_code << 5);
}

static void faults_give_their_signals(void)
{
	static const struct {
		void (*run)(void);
		int signal, code;
	} faults[] = { { divide, SIGFPE, FPE_INTDIV }, { read_null, SIGSEGV, SEGV_MAPERR }, { jump_to_garbage, SIGSEGV, SEGV_MAPERR },
		{ write_text, SIGSEGV, SEGV_ACCERR }, { read_noncanonical, SIGSEGV, SI_KERNEL }, { privileged, SIGSEGV, SI_KERNEL },
		{ undefined, SIGILL, ILL_ILLOPN }, { breakpoint, SIGTRAP, SI_KERNEL }, { touch_kernel, SIGSEGV, SEGV_MAPERR } };

	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		for (int handled = 0; handled < 2; handled++) {
			int status;
			pid_t pid = fork();
			if (!pid) {
				if (handled)
					handle_info(faults[i].signal, exit_with_information, 0);
				faults[i].run();
				_exit(0);
			}
			IS(waitpid(pid, &status, 0), pid);
			if (handled)
				IS(WEXITSTATUS(status), (faults[i].signal | faults[i].code << 5) & 255);
			else
				IS(WTERMSIG(status), faults[i].signal);
		}
	}
}

static void blocked_fault_ends_the_process(void)
{
	pid_t pid = fork();

	if (!pid) {
		handle(SIGSEGV, note, 0);
		block(SIG_BLOCK, SIGSEGV);
		read_null();
		_exit(0);
	}
	int status;
	IS(waitpid(pid, &status, 0), pid);
	IS(WTERMSIG(status), SIGSEGV);
}

static void every_register_survives_a_handler(void)
{
	uint64_t in[2] = { 1, 2 }, out[2] = { 0, 0 };
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } };

	handle(SIGALRM, note, 0);
	CHECK(!setitimer(ITIMER_REAL, &often, NULL));
	/* Long enough for many signals between any two instructions; the handler's own code changes most registers. */
	uint64_t ok = 1;
	for (int i = 0; i < 200 && ok; i++) {
		in[0] = (uint64_t)i * 0x9e3779b97f4a7c15;
		__asm__ volatile("movdqu %1, %%xmm5\n mov %2, %%r8\n mov %2, %%r9\n mov %2, %%r15\n mov %2, %%rsi\n mov $20000, %%ecx\n stc\n"
				 "1: dec %%ecx\n jnz 1b\n setc %%al\n movzx %%al, %%eax\n movdqu %%xmm5, %3\n"
				 "cmp %2, %%r8\n jne 2f\n cmp %2, %%r9\n jne 2f\n cmp %2, %%r15\n jne 2f\n cmp %2, %%rsi\n je 3f\n2: xor %%eax, %%eax\n3:\n"
				 : "=&a"(ok)
				 : "m"(in), "r"(in[0]), "m"(out)
				 : "rcx", "rsi", "r8", "r9", "r15", "xmm5", "cc", "memory");
		CHECK(!memcmp(in, out, sizeof in));
	}
	IS(ok, 1);
	CHECK(count > 0);
}

static void timers_repeat_and_stop(void)
{
	struct itimerval often = { { 0, 10000 }, { 0, 10000 } }, off = { { 0, 0 }, { 0, 0 } }, now;

	handle(SIGALRM, note, 0);
	CHECK(!setitimer(ITIMER_REAL, &often, NULL));
	while (count < 3)
		pause();
	CHECK(!getitimer(ITIMER_REAL, &now));
	IS(now.it_interval.tv_usec, 10000);
	CHECK(!setitimer(ITIMER_REAL, &off, NULL));
	int before = count;
	sleep_ms(40);
	IS(count, before);
	IS(alarm(100), 0);
	long left = alarm(0);
	CHECK(left == 100 || left == 99);
}

static void child_inherits_handlers_and_mask_but_nothing_pending(void)
{
	sigset_t pending;

	handle(SIGUSR1, note, 0);
	block(SIG_BLOCK, SIGUSR1);
	kill(getpid(), SIGUSR1);
	pid_t pid = fork();
	if (!pid) {
		CHECK(!sigpending(&pending));
		IS(sigismember(&pending, SIGUSR1), 0);
		kill(getpid(), SIGUSR1);
		IS(count, 0);
		block(SIG_UNBLOCK, SIGUSR1);
		IS(count, 1);
		_exit(0);
	}
	ENDS(pid, EXITED(0));
}

static void end_of_a_child_is_signalled(void)
{
	handle_info(SIGCHLD, note_info, 0);
	block(SIG_BLOCK, SIGCHLD);
	sigset_t none;
	sigemptyset(&none);
	pid_t pid = fork();
	if (!pid)
		_exit(6);
	FAILS(sigsuspend(&none), EINTR);
	IS(last_info.si_pid, pid);
	IS(last_info.si_code, CLD_EXITED);
	IS(last_info.si_status, 6);
	ENDS(pid, EXITED(6));
}

static void ignored_children_are_not_waited_for(void)
{
	signal(SIGCHLD, SIG_IGN);
	if (!fork())
		_exit(1);
	FAILS(wait(NULL), ECHILD);
}

static void kill_reports_who_is_not_there(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	ENDS(pid, EXITED(0));
	FAILS(kill(pid, 0), ESRCH);
	FAILS(kill(getpid(), 65), EINVAL);
	FAILS(kill(getpid(), -1), EINVAL);
	IS(kill(getpid(), 0), 0);
}

static void group_gets_a_signal_together(void)
{
	pid_t first = fork();

	if (!first) {
		setpgid(0, 0);
		pause();
		_exit(0);
	}
	setpgid(first, first);
	pid_t second = fork();
	if (!second) {
		setpgid(0, first);
		pause();
		_exit(0);
	}
	setpgid(second, first);
	CHECK(!kill(-first, SIGTERM));
	ENDS(first, SIGTERM);
	ENDS(second, SIGTERM);
}

/* A stack pointer that is the library's, or nobody's. On Linux nothing is there either. */
static volatile uint64_t wild;

static void trap(void) { __builtin_trap(); }

static void go_wild(int number, siginfo_t *info, void *context)
{
	ucontext_t *c = context;

	(void)number, (void)info;
	c->uc_mcontext.gregs[REG_RSP] = (greg_t)wild;
	c->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)trap;
}

static void end_wildly(bool handled)
{
	struct sigaction action = { .sa_sigaction = go_wild, .sa_flags = SA_SIGINFO };

	sigaction(SIGUSR1, &action, NULL);
	action = (struct sigaction){ .sa_handler = _exit };
	if (handled)
		sigaction(SIGILL, &action, NULL);
	raise(SIGUSR1);
	_exit(0);
}

static void a_wild_stack_pointer_ends_only_its_process(void)
{
	static const uint64_t places[] = { 0x7efffffec000, 0x7efffffedf00, 0x7efffffea008, 0x7efffffff800, 0x7fc000001000, 8 };
	int status;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		for (int handled = 0; handled < 2; handled++) {
			pid_t pid = fork();

			wild = places[i];
			if (!pid)
				end_wildly(handled);
			IS(waitpid(pid, &status, 0), pid);
			CHECK(WIFSIGNALED(status)); /* by which, where there is no room for the library either, is the kernel's word */
		}
}

TESTS(T(default_actions_are_taken), T(handler_runs_before_kill_returns), T(information_names_the_sender), T(blocked_signal_waits),
	T(kill_and_stop_cannot_be_caught_or_blocked), T(signal_is_blocked_in_its_handler), T(mask_of_the_action_holds_during_the_handler),
	T(reset_hand_takes_one_signal), T(interrupted_read_fails_or_goes_on), T(ignored_signal_interrupts_nothing),
	T(interrupted_sleep_tells_what_is_left), T(pause_and_sigsuspend_wait_for_a_handler), T(sigtimedwait_takes_without_handler),
	T(alternate_stack_is_used_if_asked), T(stack_overflow_can_be_handled_on_the_alternate_stack),
	T(stack_overflow_without_one_ends_the_process), T(fault_handler_repairs_and_the_access_is_repeated),
	T(handler_may_change_the_registers), T(faults_give_their_signals), T(blocked_fault_ends_the_process),
	T(every_register_survives_a_handler), T(timers_repeat_and_stop),
	T(child_inherits_handlers_and_mask_but_nothing_pending), T(end_of_a_child_is_signalled), T(ignored_children_are_not_waited_for),
	T(kill_reports_who_is_not_there), T(group_gets_a_signal_together), T(a_wild_stack_pointer_ends_only_its_process))
