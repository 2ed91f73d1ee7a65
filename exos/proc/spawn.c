/* Making a process out of nothing: the first one.
 *
 * Called by start.c in the keeper, which is no process: there is nobody to inherit from. */
#include <exos/file/file.h>
#include <exos/proc/environment.h>
#include <exos/proc/exec.h>
#include <exos/proc/strings.h>
#include <exos/proc/table.h>

static int pack(struct exec_strings *strings, char *const *argv, char *const *envp)
{
	int error = 0;

	for (; *argv && !error; argv++, strings->argc++)
		error = exec_strings_add(strings, *argv);
	for (; *envp && !error; envp++, strings->envc++)
		error = exec_strings_add(strings, *envp);
	return error;
}

static int enter_directory(struct proc *p, const char *cwd)
{
	int error = path_inode(root_inode, cwd, 0, &p->cwd);

	if (error)
		return error;
	inode_ref(p->root = root_inode);
	p->cwd_path = table_string(cwd);
	return p->cwd_path ? 0 : -ENOMEM;
}

static int load(struct image *image, struct proc *p, const char *path, struct exec_strings *strings)
{
	int error = image_open(image, p->cwd, path, strings, false);

	if (error)
		return error;
	image->euid = image->egid = 0;
	error = stack_check(image, p->limits[LIMIT_STACK][0]);
	if (!error)
		error = exec_load_apart(image, p);
	if (!error)
		exec_commit(image, p);
	image_close(image);
	return error;
}

int proc_spawn(const char *path, char *const *argv, char *const *envp, const char *cwd, struct proc **out)
{
	struct proc *p = table_add(proc_keeper);
	struct exec_strings strings = {0};
	frame_t image = frame_get();
	int error = -ENOMEM;

	if (p && image != NO_FRAME) {
		p->group = p->session = p->pid;
		table_first(p);
		error = enter_directory(p, cwd);
		if (!error)
			error = pack(&strings, argv, envp);
		if (!error)
			error = load(frame_address(image), p, path, &strings);
	}
	exec_strings_free(&strings);
	if (image != NO_FRAME)
		frame_put(image);
	if (error && p)
		table_remove(p);
	*out = p;
	return error;
}
