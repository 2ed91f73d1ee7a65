/* The memory devices (null, zero, full, random), and the way from a device number to what opening it does.
 *
 * Called for any character-device inode, wherever it was made. */
#include <exos/file/device.h>
#include <exos/proc/proc.h>
#include <exos/random.h>
#include <exos/self.h>
#include <exos/tty/tty.h>
#include <exos/vm/copy.h>

static ssize null_read(struct file *f, void *program, size_t n, uint64_t *offset)
{
	(void)f, (void)program, (void)n, (void)offset;
	return 0;
}

static ssize null_write(struct file *f, const void *program, size_t n, uint64_t *offset)
{
	(void)f, (void)program, (void)offset;
	return (ssize)n;
}

static ssize full_write(struct file *f, const void *program, size_t n, uint64_t *offset)
{
	(void)f, (void)program, (void)offset;
	return n ? -ENOSPC : 0;
}

/* Page by page, so that a long read can be interrupted. */
static ssize device_fill(void *program, size_t n, int (*fill)(void *program, size_t n))
{
	size_t done = 0;

	while (done < n && !(done && signal_deliverable(self->proc))) {
		size_t part = MIN(n - done, FRAME_SIZE);
		int err = fill((char *)program + done, part);

		if (err)
			return done ? (ssize)done : err;
		done += part;
	}
	return (ssize)done;
}

static ssize zero_read(struct file *f, void *program, size_t n, uint64_t *offset)
{
	(void)f, (void)offset;
	return device_fill(program, n, clear_out);
}

static int random_out(void *program, size_t n)
{
	uint8_t bytes[256];
	int err = 0;

	for (size_t done = 0; done < n && !err; done += sizeof(bytes)) {
		size_t part = MIN(n - done, sizeof(bytes));

		random_bytes(bytes, part);
		err = copy_out((char *)program + done, bytes, part);
	}
	return err;
}

static ssize random_read(struct file *f, void *program, size_t n, uint64_t *offset)
{
	(void)f, (void)offset;
	return device_fill(program, n, random_out);
}

static ssize random_write(struct file *f, const void *program, size_t n, uint64_t *offset)
{
	uint8_t bytes[256];
	size_t part = MIN(n, sizeof(bytes)); /* more adds nothing */

	(void)f, (void)offset;
	if (copy_in(bytes, program, part))
		return -EFAULT;
	random_seed(bytes, part);
	return (ssize)n;
}

static const struct file_ops null_ops = {.read = null_read, .write = null_write, .write_library = null_write};
static const struct file_ops zero_ops = {.read = zero_read, .write = null_write, .write_library = null_write};
static const struct file_ops full_ops = {.read = zero_read, .write = full_write, .write_library = full_write};
static const struct file_ops random_ops = {.read = random_read, .write = random_write};

static const struct {
	uint64_t number;
	const struct file_ops *ops; /* or */
	int (*open)(struct inode *inode, struct file *file);
} devices[] = {
	{DEVICE_NUMBER(1, 3), &null_ops, NULL},
	{DEVICE_ZERO, &zero_ops, NULL},
	{DEVICE_NUMBER(1, 7), &full_ops, NULL},
	{DEVICE_NUMBER(1, 8), &random_ops, NULL},
	{DEVICE_NUMBER(1, 9), &random_ops, NULL},
	{DEVICE_NUMBER(5, 0), NULL, tty_open_controlling},
	{DEVICE_NUMBER(5, 1), NULL, tty_open_console},
};

int device_open(struct inode *inode, struct file *file)
{
	for (size_t n = 0; n < ARRAY_LENGTH(devices); n++) {
		if (devices[n].number != inode->device)
			continue;
		if (devices[n].open)
			return devices[n].open(inode, file);
		file->ops = devices[n].ops;
		file->seekable = true; /* to nowhere: the offset means nothing, but asking for it is no error */
		return 0;
	}
	return -ENXIO;
}
