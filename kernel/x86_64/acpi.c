/* ACPI's static tables, as far as they list the CPUs: RSDP, to RSDT or XSDT, to MADT (ACPI specification, 5.2). No table is believed
 * whose checksum is wrong, and none is looked for above 4 GiB, where the physical map may end. */
#include <kernel/boot.h>
#include <kernel/log.h>
#include <kernel/x86_64/acpi.h>
#include <kernel/x86_64/cpu.h>

#define MAPPED 0x100000000ul
#define RSDP_OLD_SIZE 20 /* revision 0; what the first checksum is over */
#define MADT_ENTRIES 44
#define NOT_AN_APIC 255  /* the identifier that means all of them */
enum { MADT_LOCAL_APIC = 0, LOCAL_APIC_ENABLED = 1 };

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

uint32_t acpi_cpus(uint8_t *apic_ids, uint32_t most)
{
	const struct table *madt = find_table("APIC");
	uint32_t count = 0;

	apic_ids[count++] = (uint8_t)this_cpu()->apic_id;
	for (uint32_t at = MADT_ENTRIES; madt && at + sizeof(struct madt_local_apic) <= madt->length && count < most;) {
		const struct madt_local_apic *entry = (const void *)((const uint8_t *)madt + at);

		if (entry->length < 2)
			break; /* would never end */
		if (entry->type == MADT_LOCAL_APIC && entry->flags & LOCAL_APIC_ENABLED && entry->apic_id != NOT_AN_APIC &&
			!listed(apic_ids, count, entry->apic_id))
			apic_ids[count++] = entry->apic_id;
		at += entry->length;
	}
	return count;
}
