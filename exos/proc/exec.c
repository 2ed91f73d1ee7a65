/* Running another program: in place, or, after vfork, in an environment of its own, while the borrowed one goes back to its lender.
 *
 * Called by the personality's execve; spawn.c uses the parts for the first process. Everything that can be refused is refused
 * before the old program is touched. */
#include <exos/file/file.h>
#include <exos/heap.h>
#include <exos/interface/interface.h>
#include <exos/proc/environment.h>
#include <exos/proc/exec.h>
#include <exos/program/handler.h>
#include <exos/program/program.h>
#include <exos/proc/fork.h>
#include <exos/proc/table.h>
#include <exos/proc/thread.h>
#include <exos/proc/x86_64/processor.h>
#include <exos/sched/robust.h>
#include <exos/self.h>
#include <exos/x86_64/entry.h>

#define SET_USER 04000
#define SET_GROUP 02000

int exec_load(const struct image *image, struct vm *vm, struct proc *p, struct regs *regs)
{
	uint64_t rsp;
	int error = image_map(image, vm);

	if (!error)
		error = stack_build(image, vm, p, &rsp);
	if (!error)
		processor_first_regs(regs, image_entry(image), rsp);
	return error;
}

int exec_load_apart(const struct image *image, struct proc *p)
{
	struct vm *borrowed = p->vm;
	struct regs regs;
	int error = environment_create(p);

	if (error)
		return error;
	p->vm = vm_create(p->env);
	error = p->vm ? exec_load(image, p->vm, p, &regs) : -ENOMEM;
	if (!error) {
		processor_first_vectors(environment_self(p)->xsave);
		error = environment_start(p, &regs);
	}
	if (error) {
		environment_destroy(p);
		if (p->vm)
			vm_destroy(p->vm);
		p->vm = borrowed;
	}
	return error;
}

static void take_name(struct proc *p, const char *path)
{
	const char *name = path;
	size_t n;

	for (const char *s = path; *s; s++)
		if (*s == '/')
			name = s + 1;
	n = strnlen(name, sizeof(p->name) - 1);
	memset(p->name, 0, sizeof(p->name));
	memcpy(p->name, name, n);
}

void exec_commit(struct image *image, struct proc *p)
{
	char *path = (char *)image->head; /* its contents are not needed any more */

	take_name(p, image->path);
	heap_free(p->executable);
	p->executable = inode_path(image->inode, p->root, path, sizeof(image->head)) > 0 ? table_string(path) : NULL;
	p->euid = p->suid = image->euid;
	p->egid = p->sgid = image->egid;
	signal_exec(&p->signals);
	if (p->files)
		file_table_exec(p->files);
	p->exit_signal = SIGCHLD;
	p->clear_child_tid = p->robust_list = 0;
	p->restartable_area = 0;
	p->execed = true;
}

static int exec_in_place(struct image *image, struct regs *regs)
{
	struct proc *p = self->proc;
	int error = self->thread ? thread_alone() : 0;

	if (error)
		return error;
	robust_list_end(p->robust_list, p->tid);
	program_net_release(p);
	vm_clear(p->vm);
	program_frames_release(p);
	program_slices_release(p);
	handlers_forget();
	error = exec_load(image, p->vm, p, regs);
	if (error) {
		/* There is no program any more that could be told. */
		log_line("out of memory while starting %s: process %d is killed", image->path, p->pid);
		signal_send(p, SIGKILL, NULL);
		return error;
	}
	exec_commit(image, p);
	exos_fpu_reset();
	exos_set_fs_base(0);
	exos_set_gs_base(0);
	return 0;
}

static int exec_apart(struct image *image, struct regs *regs)
{
	struct proc *p = self->proc;
	uint64_t clear_tid = p->clear_child_tid;
	int error = exec_load_apart(image, p);

	if (error) {
		p->env = self->env;
		return error;
	}
	exec_commit(image, p);
	p->clear_child_tid = clear_tid; /* a place in the lender's memory, which only giving back can reach */
	interface_forget(p); /* its environment was the lender's */
	fork_give_back(p, regs);
	return p->pid;
}

int proc_exec(struct regs *regs, const char *path, struct exec_strings *strings)
{
	struct proc *p = self->proc;
	frame_t f;
	struct image *image;
	int result;

	_Static_assert(sizeof(*image) <= FRAME_SIZE, "an image is one frame");
	if (p->serves) /* whoever it serves would wait for another program */
		return -EINVAL;
	f = frame_get();
	if (f == NO_FRAME)
		return -ENOMEM;
	image = frame_address(f);
	result = image_open(image, NULL, path, strings, p->personality & PERSONALITY_FIXED_ADDRESSES);
	if (!result) {
		uint32_t mode = p->no_new_rights ? 0 : image->inode->mode;

		image->euid = mode & SET_USER ? image->inode->uid : p->euid;
		image->egid = mode & SET_GROUP ? image->inode->gid : p->egid;
		result = stack_check(image, p->limits[LIMIT_STACK][0]);
		if (!result)
			result = p->vfork_parent ? exec_apart(image, regs) : exec_in_place(image, regs);
		image_close(image);
	}
	frame_put(f);
	return result;
}
