/*
 * A guest's machine for tests: its "kernel" is text, which it prints on the console, as the kernel's words are. What happens besides
 * hangs on words in that text:
 *
 *   QEMU-FAILS    QEMU itself ends with an error       GUEST-HANGS    it boots and never ends
 *   NO-BOOT       it ends before it boots              (none)         it boots, runs the reproducer, and reports both ends
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char *after(int argc, char **argv, const char *option, const char *start)
{
	for (int i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], option) && !strncmp(argv[i + 1], start, strlen(start)))
			return argv[i + 1] + strlen(start);
	return "";
}

int main(int argc, char **argv)
{
	static char kernel[1 << 16];
	struct sockaddr_un port = { .sun_family = AF_UNIX };
	const char *run = strstr(after(argc, argv, "-append", ""), "kernfix_run=");
	FILE *image = fopen(after(argc, argv, "-kernel", ""), "r");
	int serial = socket(AF_UNIX, SOCK_STREAM, 0);

	if (argc == 2 && !strcmp(argv[1], "--version")) {
		puts("QEMU emulator version 0 (stub)");
		return 0;
	}
	strncpy(port.sun_path, after(argc, argv, "-serial", "unix:"), sizeof(port.sun_path) - 1);
	if (!image || !run || connect(serial, (struct sockaddr *)&port, sizeof(port))) {
		perror("stub");
		return 2;
	}
	kernel[fread(kernel, 1, sizeof(kernel) - 1, image)] = 0;
	run += strlen("kernfix_run=");
	if (strstr(kernel, "QEMU-FAILS")) {
		fprintf(stderr, "cannot set up guest memory\n");
		return 1;
	}
	if (!strstr(kernel, "NO-BOOT"))
		dprintf(serial, "boot %s\n", run);
	fputs(kernel, stdout);
	fflush(stdout);
	while (strstr(kernel, "GUEST-HANGS"))
		pause();
	if (!strstr(kernel, "NO-BOOT"))
		dprintf(serial, "end %s 0\n", run);
	return 0;
}
