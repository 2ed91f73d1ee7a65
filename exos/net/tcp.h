/* What the files of TCP share (RFC 9293). Users see stack.h, the rest of the stack internal.h.
 *
 * tcp.c: life, states and the common calls; tcp_stream.c: what users write and read; tcp_listen.c: listeners, half-open connections, cookies; tcp_record.c: the table of half-open connections and of TIME_WAIT;
 * tcp_input.c: segments as they come, tcp_ack.c: their acknowledgements; tcp_reassembly.c: the bytes that came; tcp_sack.c: what of our bytes is missing at the other side; tcp_output.c: segments that go, tcp_template.c: their headers, made beforehand;
 * tcp_options.c: headers and options; tcp_timer.c: time; tcp_congestion.c: how much may be under way.
 *
 * Sequence numbers are in the host's order. "Now" is s->now, ns. */
#pragma once

#include <exos/net/internal.h>

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16 };
enum {
	TCP_HEADER = 20,
	TCP_TIMESTAMPS = 12,          /* bytes of the option, padded */
	TCP_RECENT = 3,               /* ranges that a SACK option has room for beside timestamps */
	TCP_OPTIONS_MAX = 40,
	TCP_SCALE = 7,                /* of the windows that we offer: 64 Ki << 7 covers the largest buffer */
	TCP_MSS_IPV4 = 536, TCP_MSS_IPV6 = 1220, /* of a peer that names none (RFC 9293 3.7.1) */
	TCP_MSS_MIN = 64,             /* smaller ones are an attack on the number of segments */
};
#define TCP_RECEIVE_DEFAULT (256 << 10)
#define TCP_RECEIVE_MAX     (4 << 20)
#define TCP_SEND_DEFAULT    (256 << 10)
#define TCP_MILLISECOND     1000000ull
#define TCP_SECOND          1000000000ull
#define TCP_RTO_MIN         (200 * TCP_MILLISECOND)
#define TCP_RTO_MAX         (120 * TCP_SECOND)
#define TCP_RTO_FIRST       TCP_SECOND
#define TCP_DELAY           (40 * TCP_MILLISECOND) /* of an acknowledgement; RFC 9293 allows 500 ms */
#define TCP_HOLD_OFF        (200 * TCP_MILLISECOND) /* how long a short segment is kept back by NET_CORK or `more` */
#define TCP_TIME_WAIT_NS    (60 * TCP_SECOND)

static inline bool tcp_before(uint32_t a, uint32_t b) { return (int32_t)(a - b) < 0; }
static inline uint32_t tcp_later(uint32_t a, uint32_t b) { return tcp_before(a, b) ? b : a; }

/* A segment that came: its header is whole. */
struct tcp_segment {
	const struct net_packet *packet;
	struct net_name local, remote;
	uint32_t seq, ack;
	uint32_t length;       /* of its data */
	const uint8_t *data;
	uint32_t window;       /* as in the header */
	uint8_t flags;         /* TCP_ */
	bool has_timestamps, sack_permitted, has_scale;
	uint8_t scale, sacks;  /* sacks: ranges */
	uint16_t mss;          /* 0: none named */
	uint32_t tsval, tsecr;
	const uint8_t *sack;   /* the ranges as they came */
};
/* What it takes of the sequence space. */
static inline uint32_t tcp_span(const struct tcp_segment *g) { return g->length + !!(g->flags & TCP_SYN) + !!(g->flags & TCP_FIN); }

/* Bytes that came, in order or not: a contiguous range. */
struct tcp_block {
	struct list link;
	uint32_t seq;              /* of its first byte that is left */
	uint32_t first, end, room; /* bytes data[first..end) are there, of room */
	uint8_t data[];
};
#define TCP_BLOCK_ROOM (2048 - (uint32_t)sizeof(struct tcp_block))

/* A range that the other side has not, while it has something later. */
struct tcp_hole {
	struct list link;
	uint32_t start, end;
	uint32_t sent;    /* up to here it was sent again, start..end */
	uint32_t mark;    /* snd_nxt when it was sent again last */
	bool lost;        /* to be sent again; else perhaps only late */
	uint64_t seen;    /* when it was found, or sent again last */
};

enum tcp_alarm { TCP_ALARM_SEND, TCP_ALARM_ACK, TCP_ALARM_SLOW, TCP_ALARMS };
enum tcp_wait { TCP_WAIT_NONE, TCP_WAIT_ACK, TCP_WAIT_TAIL, TCP_WAIT_REORDER, TCP_WAIT_WINDOW, TCP_WAIT_HOLD, TCP_WAIT_DEVICE }; /* what TCP_ALARM_SEND is set for */
enum tcp_recovery { TCP_OPEN, TCP_RECOVERY, TCP_LOSS }; /* nothing missing; missing, seen by acknowledgements; by time-out */

struct tcp_cubic { /* RFC 9438, in bytes and ns */
	uint64_t epoch;      /* 0: begins with the next acknowledgement */
	uint64_t k;          /* time to reach `peak` again, 1/1024 s */
	uint32_t peak;       /* W_max */
	uint32_t reno;       /* W_est */
	uint64_t credit, reno_credit; /* what division left over */
};

struct tcp_listener {
	uint32_t backlog;
	uint32_t ready, half_open; /* how many */
	struct list children;      /* struct tcp.sibling: established, not accepted yet */
	struct list requests;      /* struct tcp_record.order: half open, oldest first */
};

/* tcp_template.c: a frame's headers up to the data, without what changes, and its sums. */
struct tcp_template {
	uint32_t generation; /* of the routes when it was made; 0: it was not */
	uint32_t ip_sum, tcp_sum;
	uint32_t length;     /* of the TCP header */
	uint8_t frame[72];
};
struct tcp_filling { /* what of a segment does change */
	uint32_t seq, length, sum, window; /* of its data; the window as the header has it */
	uint8_t flags;
};

struct tcp {
	struct net_endpoint e; /* first: the endpoint is the connection */
	uint8_t state;         /* enum net_tcp_state */
	uint8_t recovery;      /* enum tcp_recovery */
	uint8_t wait;          /* enum tcp_wait */
	uint8_t tries;         /* time-outs since the last progress */
	uint8_t probes;        /* keepalive probes without an answer */
	uint8_t closed_probes; /* of a window since it closed */
	bool timestamps, sack; /* agreed on */
	uint8_t snd_scale, rcv_scale;
	bool output_end;       /* FIN follows what is queued */
	bool fin_sent;         /* snd_nxt is behind it */
	bool input_end;        /* FIN has come in order */
	bool input_shut;       /* the user reads no more: data is acknowledged and dropped */
	bool fin_seen;         /* FIN has come, perhaps ahead of a gap: it is at fin_at */
	bool more;             /* the last write said so */
	bool force;            /* a short segment may go: it was held back long enough */
	bool full;             /* it is the congestion window that holds output back */
	bool fast;             /* recovery has begun: its first retransmission goes whatever the window */
	bool restart;          /* output was acknowledged: the time-out begins anew */
	bool ack_now, ack_later;
	bool tail_probed;      /* for this tail, once */
	bool was_full;         /* the user was told of no room, so NET_WRITABLE is news */
	bool dead;             /* it has ended by reset, time-out or abort */
	uint8_t quick;         /* acknowledgements that are not delayed: the other side begins slowly */
	uint8_t duplicates;    /* acknowledgements; without SACK */
	uint8_t challenges;    /* in the second that began at challenged (RFC 5961) */
	uint64_t challenged;

	struct list pending;   /* of tcp_state; off it: points at itself */
	struct list sibling;   /* of its listener's children, until it is accepted */
	struct tcp *parent;
	struct tcp_listener *listener;
	struct net_route route;
	struct tcp_template template;
	struct net_timer timer;
	uint64_t alarms[TCP_ALARMS]; /* ns; 0: not set. The timer is set for the first of them, or sooner */

	/* Sending (RFC 9293 3.3.1). Bytes snd_una.. are those of the queue from head_skip on. */
	uint32_t iss, snd_una, snd_nxt, snd_window, snd_window_max, snd_wl1, snd_wl2;
	uint32_t snd_field;    /* window as the last segment had it, for header prediction */
	struct list queue;     /* struct net_piece.link */
	uint32_t queued, head_skip;
	struct net_piece *next; /* the piece with the byte snd_nxt; null: nothing unsent */
	uint32_t next_skip;
	uint32_t short_end;    /* snd_nxt behind the last short segment (Nagle, as Minshall has it) */
	uint32_t pseudo;       /* sum of the pseudo-header without the length */
	uint32_t mss;          /* largest data of a segment without options */
	uint32_t peer_mss;     /* 0: it named none */

	/* What is missing over there */
	struct list holes;     /* by sequence number */
	uint32_t hole_count;
	uint32_t sacked_end;   /* the byte behind the last that the other side has (RFC 6675 HighData); snd_una without holes */
	uint32_t reno_sacked;  /* bytes that duplicates tell of, without SACK */
	uint32_t recover;      /* recovery ends when this is acknowledged */
	uint64_t resent_delivered; /* the latest retransmission that is known to have arrived */
	int soft_error;        /* an ICMP error; what a time-out then reports */

	uint32_t cwnd, ssthresh;
	struct tcp_cubic cubic;
	uint64_t srtt, rttvar, rto; /* ns (RFC 6298) */
	uint64_t timed;        /* when the byte before timed_seq was sent; 0: none is timed */
	uint32_t timed_seq;
	uint64_t last_sent;    /* when data went last */
	uint64_t progress;     /* when output was last acknowledged, or first waited */
	uint32_t ts_recent, ts_offset;
	uint64_t ts_recent_at;

	/* Receiving */
	uint32_t irs, rcv_nxt, rcv_edge; /* edge: the end of the window that was offered */
	uint32_t acked;        /* the last acknowledgement that went */
	uint32_t largest;      /* data of a segment that came */
	uint32_t fin_at;
	struct list blocks;    /* in order, the user's next byte first */
	uint32_t available;
	struct list ahead;     /* out of order */
	uint32_t ahead_memory;
	uint32_t recent[TCP_RECENT]; /* a sequence number in each range that SACK tells of, latest first */
	uint32_t receive_size; /* grows, if tuning does not say */
	uint32_t consumed, consumed_round; /* by the user: in the round trip that began at round_began, and in the one before */
	uint64_t round_began;
	uint64_t heard;        /* when anything came last */
	uint64_t retransmitted;
};
static inline struct tcp *tcp_of(const struct net_endpoint *e) { return (struct tcp *)e; }

/* A half-open connection, or one in TIME_WAIT: short, as there may be many. */
struct tcp_record {
	struct tcp_record *next;   /* of its bucket */
	struct list order;         /* of its listener's requests, or of time_wait: oldest first */
	struct net_stack *stack;
	struct net_name local, remote;
	struct net_timer timer;
	uint32_t hash;
	struct tcp *listener;      /* null: TIME_WAIT */
	uint32_t snd_nxt, rcv_nxt; /* of a half-open one: ISS + 1, IRS + 1 */
	uint32_t ts_recent, ts_offset, window;
	uint16_t mss;
	uint8_t scale, tries;
	bool timestamps, sack, has_scale;
	uint64_t began;
};

#define TCP_LEAF   (2048 / sizeof(struct tcp_record *))
#define TCP_LEAVES 64 /* as many buckets as the directory has room for; more records make longer chains */
#define TCP_SPARES 16
struct tcp_state { /* of the stack */
	struct list pending;       /* connections that have something to send */
	struct list spares;        /* blocks of full size for reuse, as fresh ones are cleared */
	uint32_t spare_count;
	struct list time_wait;
	uint64_t cookies_sent;     /* when the last SYN cookie went; 0: never */
	uint32_t records, buckets; /* buckets: linear hashing, one more is split off at a time */
	struct tcp_record **leaves[TCP_LEAVES];
};

/* tcp.c */
struct tcp *tcp_new(struct net_stack *s, const struct tcp_segment *g, struct tcp *listener); /* a child, not in its list yet; null: no memory */
void tcp_established(struct tcp *c);
void tcp_die(struct tcp *c, int error);          /* ends here and now: what it holds goes, its owner is told; frees it if it has none. The caller touches c no more */
void tcp_time_wait(struct tcp *c);               /* likewise, leaving a record */
void tcp_wake(struct tcp *c);                    /* it has output for tcp_turn */
void tcp_tell(struct tcp *c, uint32_t what);
void *tcp_allocate(struct net_stack *s, size_t n); /* old TIME_WAIT records make room */

/* tcp_options.c */
bool tcp_parse(struct net_stack *s, const struct net_packet *p, struct tcp_segment *g); /* false: malformed, counted. The checksum is not looked at */
bool tcp_sum_right(struct net_stack *s, const struct net_packet *p, uint32_t pseudo); /* pseudo: of the pseudo-header without the length; false: counted */
uint32_t tcp_put_options(struct tcp *c, uint8_t *to, bool syn); /* how long they are, a multiple of 4 */
uint32_t tcp_put_timestamps(uint8_t *to, uint32_t tsval, uint32_t tsecr);
uint32_t tcp_put_syn_options(uint8_t *to, uint32_t mss, bool scale, bool sack, bool timestamps, uint32_t tsval, uint32_t tsecr);
static inline uint32_t tcp_clock(const struct net_stack *s) { return (uint32_t)(s->now >> 20); } /* of timestamps: 1.05 ms, a shift instead of a division */
uint32_t tcp_timestamp_offset(const struct net_stack *s, const struct net_name *local, const struct net_name *remote);

/* tcp_input.c, tcp_ack.c */
void tcp_connection_input(struct tcp *c, const struct tcp_segment *g);
void tcp_learn(struct tcp *c, const struct tcp_segment *g); /* what its SYN says */
bool tcp_challenge(struct tcp *c);               /* whether an unwanted segment may be answered now */
bool tcp_ack(struct tcp *c, const struct tcp_segment *g); /* false: the segment is to be dropped */
bool tcp_all_acknowledged(const struct tcp *c);  /* FIN too */
void tcp_advance(struct tcp *c, const struct tcp_segment *g); /* the good case: bytes up to g->ack have arrived */
void tcp_missing(struct tcp *c);                 /* something may have got lost: begins recovery if so */

/* tcp_reassembly.c */
uint32_t tcp_receive(struct tcp *c, uint32_t seq, const uint8_t *data, uint32_t length); /* in the window, from rcv_nxt on; how many bytes rcv_nxt has to go on by */
void tcp_receive_end(struct tcp *c);             /* frees all */
void tcp_block_free(struct net_stack *s, struct tcp_block *b);
uint32_t tcp_sack_ranges(const struct tcp *c, uint32_t (*ranges)[2], uint32_t room);
uint32_t tcp_window(const struct tcp *c);        /* to be offered from rcv_nxt on; it never shrinks */
uint32_t tcp_receive_size(const struct tcp *c);

/* tcp_sack.c */
void tcp_sacked(struct tcp *c, const struct tcp_segment *g);
void tcp_holes_acknowledged(struct tcp *c);      /* up to snd_una */
void tcp_hole_first(struct tcp *c);              /* without SACK: the first segment is lost */
void tcp_holes_lost(struct tcp *c);              /* by time-out: everything that the other side is not known to have */
bool tcp_holes_mark(struct tcp *c);              /* finds what is lost; true: something new */
struct tcp_hole *tcp_hole_next(const struct tcp *c); /* the first that is to be sent again */
bool tcp_hole_again(struct tcp *c);              /* the first is sent once more; false: there is none that is lost */
uint32_t tcp_pipe(const struct tcp *c);          /* bytes under way (RFC 6675) */
void tcp_holes_end(struct tcp *c);
uint64_t tcp_reorder_due(const struct tcp *c);   /* when a hole that is not lost yet will be; 0: there is none */

/* tcp_template.c: a segment that is no SYN. False: it must go the long way. */
bool tcp_template_send(struct tcp *c, const struct tcp_filling *g, const struct net_part *parts, uint32_t n, int *result);

/* tcp_output.c */
void tcp_output(struct tcp *c);                  /* everything that may go now */
void tcp_send_ack(struct tcp *c);
void tcp_send_syn(struct tcp *c);
void tcp_send_reset(struct tcp *c);              /* of a connection: its next sequence number */
void tcp_probe(struct tcp *c);                   /* a segment before snd_una, which must be answered (keepalive, closed window) */
uint32_t tcp_send_data(struct tcp *c, uint32_t seq, uint32_t length); /* from the queue, FIN if it is in the range; how much of the sequence space went, 0: none */
/* A segment without a connection's state, in answer to one or of a record. */
void tcp_send_bare(struct net_stack *s, const struct net_name *local, const struct net_name *remote, uint32_t seq, uint32_t ack, uint8_t flags, uint32_t window, const uint8_t *options, uint32_t options_length);
void tcp_refuse(struct net_stack *s, const struct tcp_segment *g); /* RST in answer to g (RFC 9293 3.10.7.1), unless it is one */
uint32_t tcp_unsent(const struct tcp *c);
uint32_t tcp_segment_room(const struct tcp *c);  /* data of a full segment with the options that it has now */
void tcp_mss_set(struct tcp *c);                 /* from the path and the peer */

/* tcp_timer.c */
void tcp_alarm(struct tcp *c, enum tcp_alarm which, uint64_t due); /* due 0: off */
void tcp_wait_for(struct tcp *c, enum tcp_wait wait, uint64_t due);
void tcp_expired(struct net_timer *t);
void tcp_rtt(struct tcp *c, uint64_t rtt);
void tcp_send_alarm(struct tcp *c);              /* TCP_ALARM_SEND as what is under way and unsent demands */
void tcp_slow_alarm(struct tcp *c);              /* keepalive, FIN_WAIT_2 */

/* tcp_congestion.c */
void tcp_congestion_start(struct tcp *c);
void tcp_congestion_acked(struct tcp *c, uint32_t bytes);
void tcp_congestion_lost(struct tcp *c);         /* once for each window that lost something */
void tcp_congestion_timeout(struct tcp *c);
void tcp_congestion_idle(struct tcp *c);

/* tcp_listen.c */
void tcp_listen_input(struct net_stack *s, struct tcp *l, const struct tcp_segment *g);
void tcp_request_input(struct net_stack *s, struct tcp_record *r, const struct tcp_segment *g);
void tcp_listener_end(struct tcp *l);
uint32_t tcp_initial_sequence(const struct net_stack *s, const struct net_name *local, const struct net_name *remote); /* RFC 6528 */

/* tcp_record.c */
struct tcp_record *tcp_record_find(struct net_stack *s, const struct net_name *local, const struct net_name *remote);
struct tcp_record *tcp_record_new(struct net_stack *s, const struct net_name *local, const struct net_name *remote); /* null: no memory */
void tcp_record_free(struct tcp_record *r);
void tcp_time_wait_add(struct tcp *c);
bool tcp_time_wait_input(struct tcp_record *r, const struct tcp_segment *g); /* false: it is gone, and g is a SYN for whoever listens */
bool tcp_time_wait_drop_oldest(struct net_stack *s);
void tcp_records_end(struct net_stack *s);
