/* The interpreter that a dynamic executable names (PT_INTERP): the dynamic linker, as a rule.
 *
 * Called by image.c. What its own headers name as an interpreter does not count, as on Linux: it is entered itself. A script is none. */
#include <exos/proc/image.h>

static int path_read(const struct image *image, char *path)
{
	uint64_t length = image->elf.interpreter_length;

	if (inode_read(image->inode, path, length, image->elf.interpreter_offset) != (ssize)length || path[length - 1])
		return -ENOEXEC;
	return 0;
}

/* That it is no executable for this machine has an error of its own. */
static int open_named(struct interpreter *i, struct inode *base, const char *path)
{
	ssize n = image_read_head(base, path, &i->inode, i->head);
	int error;

	if (n < 0)
		return (int)n;
	if (n < ELF_HEADER_SIZE)
		return -EIO;
	error = image_parse(i->inode, i->head, (size_t)n, &i->elf);
	return error == -ENOEXEC ? -ELIBBAD : error;
}

int interpreter_open(struct image *image, struct inode *base)
{
	frame_t own = frame_get(), path = frame_get();
	int error = -ENOMEM;

	_Static_assert(sizeof(struct interpreter) <= FRAME_SIZE && ELF_INTERPRETER_MAX <= FRAME_SIZE, "each is one frame");
	if (own != NO_FRAME && path != NO_FRAME) {
		image->interpreter = frame_address(own);
		image->interpreter->inode = NULL;
		error = path_read(image, frame_address(path));
		if (!error)
			error = open_named(image->interpreter, base, frame_address(path));
	} else if (own != NO_FRAME) {
		frame_put(own);
	}
	if (path != NO_FRAME)
		frame_put(path);
	return error; /* image_close gives back the rest */
}

void interpreter_close(struct image *image)
{
	struct interpreter *i = image->interpreter;

	image->interpreter = NULL;
	if (i->inode)
		inode_put(i->inode);
	frame_put(address_frame(i));
}
