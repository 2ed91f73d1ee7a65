/* ACPI's tables, as far as they list CPUs, I/O APICs and virtio devices: RSDP, to RSDT or XSDT, to MADT and FADT (ACPI specification, 5.2). No table is
 * believed whose checksum is wrong, and none is looked for above 4 GiB, where the physical map may end. */
#include <kernel/boot.h>
#include <kernel/log.h>
#include <kernel/x86_64/acpi.h>
#include <kernel/x86_64/cpu.h>

#define MAPPED 0x100000000ul
#define RSDP_OLD_SIZE 20 /* revision 0; what the first checksum is over */
#define MADT_ENTRIES 44
#define NOT_AN_APIC 255  /* the identifier that means all of them */
enum { MADT_LOCAL_APIC = 0, MADT_IO_APIC = 1, LOCAL_APIC_ENABLED = 1 };
#define FADT_DSDT 40    /* its physical address, of 32 bits; */
#define FADT_X_DSDT 140 /* of 64 */
#define VIRTIO_NAME "LNRO0005" /* what firmware calls a virtio-mmio transport: _HID */
enum { RESOURCE_MEMORY = 0x86, RESOURCE_INTERRUPT = 0x89 };

struct rsdp {
	char signature[8];
	uint8_t checksum, oem[6], revision;
	uint32_t rsdt;
	uint32_t length; /* from here on: revision 2 */
	uint64_t xsdt;
	uint8_t extended_checksum, reserved[3];
} __attribute__((packed));
struct table {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum, oem[6], oem_table[8];
	uint32_t oem_revision, creator, creator_revision;
} __attribute__((packed));
struct madt_local_apic {
	uint8_t type, length, processor, apic_id;
	uint32_t flags;
} __attribute__((packed));

struct madt_io_apic {
	uint8_t type, length, id, reserved;
	uint32_t address, first;
} __attribute__((packed));

static bool mapped(uint64_t address, uint64_t size) { return address && address < MAPPED && size <= MAPPED - address; }

static bool sums_to_zero(const void *from, uint32_t size)
{
	const uint8_t *bytes = from;
	uint8_t sum = 0;

	for (uint32_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return sum == 0;
}

/* The table at this physical address if it is one of that name; else null. */
static const struct table *table_at(uint64_t address, const char *signature)
{
	const struct table *t = physical(address);

	if (!mapped(address, sizeof(*t)) || memcmp(t->signature, signature, sizeof(t->signature)) != 0)
		return NULL;
	return t->length >= sizeof(*t) && mapped(address, t->length) && sums_to_zero(t, t->length) ? t : NULL;
}

/* ... that an RSDT or XSDT points to; a null list has none. */
static const struct table *find_in(const struct table *list, uint32_t entry_size, const char *signature)
{
	for (uint32_t at = sizeof(*list); list && at + entry_size <= list->length; at += entry_size) {
		const struct table *found;
		uint64_t address = 0;

		memcpy(&address, (const uint8_t *)list + at, entry_size); /* an XSDT's entries are not aligned */
		if ((found = table_at(address, signature)))
			return found;
	}
	return NULL;
}

static const struct table *find_table(const char *signature)
{
	const struct rsdp *rsdp = physical(boot_memory.rsdp);
	const struct table *found = NULL;

	if (!mapped(boot_memory.rsdp, sizeof(*rsdp)) || memcmp(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature)) != 0 ||
		!sums_to_zero(rsdp, RSDP_OLD_SIZE))
		return NULL;
	if (rsdp->revision >= 2 && sums_to_zero(rsdp, sizeof(*rsdp)))
		found = find_in(table_at(rsdp->xsdt, "XSDT"), sizeof(uint64_t), signature);
	return found ? found : find_in(table_at(rsdp->rsdt, "RSDT"), sizeof(uint32_t), signature);
}

static bool listed(const uint8_t *apic_ids, uint32_t count, uint8_t apic_id)
{
	for (uint32_t i = 0; i < count; i++)
		if (apic_ids[i] == apic_id)
			return true;
	return false;
}

/* The next entry of the MADT of this type, which is of `size` bytes; *at is where to begin, and moved behind it. */
static const void *madt_next(const struct table *madt, uint32_t *at, uint8_t type, uint32_t size)
{
	while (madt && *at + size <= madt->length) {
		const uint8_t *entry = (const uint8_t *)madt + *at;

		if (entry[1] < 2)
			break; /* would never end */
		*at += entry[1];
		if (entry[0] == type)
			return entry;
	}
	return NULL;
}

uint32_t acpi_cpus(uint8_t *apic_ids, uint32_t most)
{
	const struct table *madt = find_table("APIC");
	const struct madt_local_apic *entry;
	uint32_t count = 0, at = MADT_ENTRIES;

	apic_ids[count++] = (uint8_t)this_cpu()->apic_id;
	while (count < most && (entry = madt_next(madt, &at, MADT_LOCAL_APIC, sizeof(*entry))))
		if (entry->flags & LOCAL_APIC_ENABLED && entry->apic_id != NOT_AN_APIC && !listed(apic_ids, count, entry->apic_id))
			apic_ids[count++] = entry->apic_id;
	return count;
}

bool acpi_ioapic(uint32_t interrupt, uint64_t *address, uint32_t *first)
{
	const struct table *madt = find_table("APIC");
	const struct madt_io_apic *entry;
	uint32_t at = MADT_ENTRIES;
	bool found = false;

	while ((entry = madt_next(madt, &at, MADT_IO_APIC, sizeof(*entry))))
		if (entry->first <= interrupt && (!found || entry->first > *first)) {
			*address = entry->address;
			*first = entry->first;
			found = true;
		}
	return found;
}

static const struct table *find_dsdt(void)
{
	const struct table *fadt = find_table("FACP"), *found = NULL;
	uint64_t address = 0;

	if (fadt && fadt->length >= FADT_X_DSDT + sizeof(uint64_t)) {
		memcpy(&address, (const uint8_t *)fadt + FADT_X_DSDT, sizeof(uint64_t));
		found = table_at(address, "DSDT");
	}
	if (!found && fadt && fadt->length >= FADT_DSDT + sizeof(uint32_t)) {
		address = 0;
		memcpy(&address, (const uint8_t *)fadt + FADT_DSDT, sizeof(uint32_t));
		found = table_at(address, "DSDT");
	}
	return found;
}

/* The definition block is a program, and this is no interpreter. A device that firmware describes without computing anything has its resources as plain bytes
 * behind its name (6.4): a Memory32Fixed and an Extended Interrupt descriptor. The search for them ends at the next such device. */
bool acpi_virtio(uint32_t n, uint64_t *address, uint32_t *interrupt)
{
	const struct table *dsdt = find_dsdt();
	const uint8_t *at = (const uint8_t *)dsdt, *end = dsdt ? at + dsdt->length : at;
	bool here = false, memory = false;

	for (; at + sizeof(VIRTIO_NAME) <= end; at++) {
		uint32_t value;

		if (at[0] == VIRTIO_NAME[0] && memcmp(at, VIRTIO_NAME, sizeof(VIRTIO_NAME)) == 0) {
			if (here)
				return false; /* the one before had none */
			here = n-- == 0;
		} else if (here && !memory && end - at >= 12 && at[0] == RESOURCE_MEMORY && at[1] == 9 && at[2] == 0) {
			memcpy(&value, at + 4, sizeof(value));
			*address = value;
			memory = true;
		} else if (here && memory && end - at >= 9 && at[0] == RESOURCE_INTERRUPT && at[1] == 6 && at[2] == 0 && at[4] == 1) {
			memcpy(interrupt, at + 5, sizeof(*interrupt));
			return true;
		}
	}
	return false;
}
