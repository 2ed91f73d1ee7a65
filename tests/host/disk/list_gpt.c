/* Prints the partitions of an image as run.sh makes them of what sfdisk says. Argument: the image. */
#include <stdio.h>

#include "image.h"

int main(int argc, char **argv)
{
	static struct found found;
	struct image i = image_load(argc > 1 ? argv[1] : "");
	int error = image_read(&i, &found);

	for (uint32_t n = 0; n < found.count; n++)
		printf("%u %lu %lu\n", found.partitions[n].number, found.partitions[n].first, found.partitions[n].sectors);
	image_free(&i);
	return error ? 1 : 0;
}
