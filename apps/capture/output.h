/* What a packet becomes: a record of a pcap file, or a line of text. Errors of the stream stay with it (ferror). */
#pragma once

#include <aegis/net.h>
#include <stdio.h>
#include <time.h>

void pcap_start(FILE *to);
void pcap_packet(FILE *to, const struct aegis_packet *p, struct timespec when);
/* HH:MM:SS.nanoseconds (UTC) source > destination protocol N bytes; with ports for UDP and TCP, Ethernet addresses and type for what is not IP. */
void print_packet(FILE *to, const struct aegis_packet *p, struct timespec when);
