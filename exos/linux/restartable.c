/* rseq. */
#include <exos/linux/linux.h>
#include <exos/proc/restartable.h>

#define RSEQ_UNREGISTER 1

int64_t linux_rseq(struct regs *r)
{
	struct proc *p = self->proc;
	uint64_t area = A0(r), length = A1(r), flags = A2(r);
	uint32_t signature = (uint32_t)A3(r);

	if (flags & ~1ul || length != RESTARTABLE_SIZE || area & (RESTARTABLE_SIZE - 1))
		return -EINVAL;
	if (flags & RSEQ_UNREGISTER) {
		if (!p->restartable_area || p->restartable_area != area)
			return -EINVAL;
		if (p->restartable_signature != signature)
			return -EPERM;
		return restartable_register(0, 0);
	}
	if (p->restartable_area)
		return p->restartable_area == area ? (p->restartable_signature == signature ? -EBUSY : -EPERM) : -EINVAL;
	return restartable_register(area, signature);
}
