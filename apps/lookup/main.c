/* lookup: a small key-value server over UDP, whose GETs are answered in the kernel where there is ExOS, and its client.
 * README.md; docs/handlers.md. */
#include "server.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: lookup [--port 11300] [--ready] [--no-handler | --sockets]\n"
			    "       lookup --ask HOST:PORT get KEY | set KEY VALUE | delete KEY | stats\n"
			    "Serves keys and values over UDP. --ready: says `ready` when it serves; --no-handler: "
			    "answers everything itself; --sockets: by ordinary sockets, as on other systems.\n"
			    "--ask: the client, anywhere; for more that it does, README.md.\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", required_argument, NULL, 'p'},
		{"ready", no_argument, NULL, 'r'},
		{"no-handler", no_argument, NULL, 'n'},
		{"sockets", no_argument, NULL, 's'},
		{"ask", no_argument, NULL, 'a'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	long port = LOOKUP_PORT;
	int option, ready = 0, handler = 1, sockets = 0, error = ENOSYS;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			port = strtol(optarg, NULL, 10);
			break;
		case 'r':
			ready = 1;
			break;
		case 'n':
			handler = 0;
			break;
		case 's':
			sockets = 1;
			break;
		case 'a':
			return client(argc - optind, argv + optind);
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind != argc || port <= 0 || port > UINT16_MAX) {
		fputs(usage, stderr);
		return 2;
	}
	if (!sockets)
		error = serve_exos((uint16_t)port, handler, ready);
	if (error == ENOSYS)
		error = serve_sockets((uint16_t)port, ready);
	errx(1, "port %ld: %s", port, strerror(error));
}
