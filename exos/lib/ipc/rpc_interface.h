/* The language in which interfaces are described, and what the preprocessor makes of a description.
 *
 *     #define COUNTER(procedure) \
 *             procedure(counter, add, (in, uint64_t, by), (out, uint64_t, value)) \
 *             procedure(counter, name, (bytes_out, text)) \
 *             procedure(counter, rename, (bytes_in, text)) \
 *             procedure(counter, reset)
 *     RPC_INTERFACE(counter, 1, COUNTER)
 *
 * Arguments are (in, TYPE, NAME), (out, TYPE, NAME): scalars, or structures without pointers; (bytes_in, NAME), (bytes_out, NAME): buffers. From it come
 *
 *     int counter_add(struct rpc_client *, uint64_t by, uint64_t *value);                                the client's stubs;
 *     int counter_name(struct rpc_client *, void *text, uint64_t *text_length);                          (*text_length: in, the capacity; out, the length)
 *     int counter_rename(struct rpc_client *, const void *text, uint64_t text_length);
 *     int counter_reset(struct rpc_client *);
 *     struct counter_procedures { int (*add)(void *context, uint64_t by, uint64_t *value); ... };        what a server implements: the same arguments;
 *     const struct rpc_interface counter_interface;                                                      what is compared at bind time;
 *
 * and from RPC_SERVER(counter, COUNTER), in the file that serves, the dispatch and
 *
 *     struct rpc_server counter_server(const struct counter_procedures *, void *context, const struct rpc_arena *arena or null);
 *
 * A procedure returns 0 or a negative Linux error number; then its results are not sent. Procedures are numbered in their order: whoever changes an interface
 * changes its version. */
#pragma once

#include <exos/lib/ipc/rpc.h>

/* RPC_EACH(m, (a, b), (c)): m(a, b) m(c). */
#define RPC_PARENTHESES ()
#define RPC_SCAN(...) RPC_SCAN_1(RPC_SCAN_1(RPC_SCAN_1(RPC_SCAN_1(__VA_ARGS__))))
#define RPC_SCAN_1(...) RPC_SCAN_2(RPC_SCAN_2(RPC_SCAN_2(RPC_SCAN_2(__VA_ARGS__))))
#define RPC_SCAN_2(...) __VA_ARGS__
#define RPC_EACH(m, ...) __VA_OPT__(RPC_SCAN(RPC_EACH_ONE(m, __VA_ARGS__)))
#define RPC_EACH_ONE(m, argument, ...) m argument __VA_OPT__(RPC_EACH_AGAIN RPC_PARENTHESES(m, __VA_ARGS__))
#define RPC_EACH_AGAIN() RPC_EACH_ONE

/* As parameters of stubs and procedures, and handed on from the one to the other. */
#define RPC_PARAMETER(kind, ...) RPC_PARAMETER_##kind(__VA_ARGS__)
#define RPC_PARAMETER_in(type, name) , type name
#define RPC_PARAMETER_out(type, name) , type *name
#define RPC_PARAMETER_bytes_in(name) , const void *name, uint64_t name##_length
#define RPC_PARAMETER_bytes_out(name) , void *name, uint64_t *name##_length
#define RPC_PASS(kind, ...) RPC_PASS_##kind(__VA_ARGS__)
#define RPC_PASS_in(type, name) , name
#define RPC_PASS_out(type, name) , name
#define RPC_PASS_bytes_in(name) , name, name##_length
#define RPC_PASS_bytes_out(name) , name, name##_length

/* What goes over, what comes back, and where the client wants it. */
#define RPC_REQUEST(kind, ...) RPC_REQUEST_##kind(__VA_ARGS__)
#define RPC_REQUEST_in(type, name) type name;
#define RPC_REQUEST_out(type, name)
#define RPC_REQUEST_bytes_in(name) struct rpc_buffer name;
#define RPC_REQUEST_bytes_out(name) struct rpc_buffer name;
#define RPC_REPLY(kind, ...) RPC_REPLY_##kind(__VA_ARGS__)
#define RPC_REPLY_in(type, name)
#define RPC_REPLY_out(type, name) type name;
#define RPC_REPLY_bytes_in(name)
#define RPC_REPLY_bytes_out(name) uint64_t name##_length;
#define RPC_RESULT(kind, ...) RPC_RESULT_##kind(__VA_ARGS__)
#define RPC_RESULT_in(type, name)
#define RPC_RESULT_out(type, name) type *name;
#define RPC_RESULT_bytes_in(name)
#define RPC_RESULT_bytes_out(name) void *name; uint64_t *name##_length; uint64_t name##_capacity;

/* The client: how much is needed, the message, the results. */
#define RPC_EXTRA(kind, ...) RPC_EXTRA_##kind(__VA_ARGS__)
#define RPC_EXTRA_in(type, name)
#define RPC_EXTRA_out(type, name)
#define RPC_EXTRA_bytes_in(name) +rpc_extra(rpc_c, name, name##_length)
#define RPC_EXTRA_bytes_out(name)
#define RPC_MARSHAL(kind, ...) RPC_MARSHAL_##kind(__VA_ARGS__)
#define RPC_MARSHAL_in(type, name) rpc_m->name = name;
#define RPC_MARSHAL_out(type, name) rpc_w.name = name;
#define RPC_MARSHAL_bytes_in(name) rpc_m->name = rpc_put(rpc_c, name, name##_length);
#define RPC_MARSHAL_bytes_out(name) \
	rpc_w.name = name; \
	rpc_w.name##_length = name##_length; \
	rpc_w.name##_capacity = *name##_length; \
	rpc_m->name = rpc_room(rpc_c, name, *name##_length);
#define RPC_FINISH(kind, ...) RPC_FINISH_##kind(__VA_ARGS__)
#define RPC_FINISH_in(type, name)
#define RPC_FINISH_out(type, name) *rpc_w->name = rpc_m.name;
#define RPC_FINISH_bytes_in(name)
#define RPC_FINISH_bytes_out(name) \
	if (rpc_filled(rpc_c, rpc_r, rpc_w->name, rpc_w->name##_capacity, rpc_m.name##_length)) \
		return -EPROTO; \
	*rpc_w->name##_length = rpc_m.name##_length;

/* The server: arguments from the message, results into the reply. */
#define RPC_UNMARSHAL(kind, ...) RPC_UNMARSHAL_##kind(__VA_ARGS__)
#define RPC_UNMARSHAL_in(type, name) type name = rpc_m.name;
#define RPC_UNMARSHAL_out(type, name) type *name = &rpc_a.name;
#define RPC_UNMARSHAL_bytes_in(name) \
	const void *name = rpc_fetch_buffer(rpc_s, rpc_r, &rpc_m.name); \
	uint64_t name##_length = rpc_m.name.length;
#define RPC_UNMARSHAL_bytes_out(name) \
	void *name = rpc_reserve_buffer(rpc_s, rpc_r, &rpc_m.name); \
	uint64_t *name##_length = &rpc_a.name##_length; \
	rpc_a.name##_length = rpc_m.name.length;
#define RPC_TRIM(kind, ...) RPC_TRIM_##kind(__VA_ARGS__)
#define RPC_TRIM_in(type, name)
#define RPC_TRIM_out(type, name)
#define RPC_TRIM_bytes_in(name)
#define RPC_TRIM_bytes_out(name) rpc_trim(rpc_r, &rpc_m.name, name, rpc_a.name##_length);

#define RPC_NUMBER(interface, name, ...) interface##_##name##_number,
#define RPC_STRUCTURES(interface, name, ...) \
	struct interface##_##name##_request { \
		RPC_EACH(RPC_REQUEST, __VA_ARGS__) \
	}; \
	struct interface##_##name##_reply { \
		RPC_EACH(RPC_REPLY, __VA_ARGS__) \
	}; \
	struct interface##_##name##_results { \
		RPC_EACH(RPC_RESULT, __VA_ARGS__) \
	};
#define RPC_MEMBER(interface, name, ...) int (*name)(void *context RPC_EACH(RPC_PARAMETER, __VA_ARGS__));

#define RPC_STUB(interface, name, ...) \
	static inline int interface##_##name##_finish(const void *results, const struct rpc_client *rpc_c, struct rpc_call *rpc_r) \
	{ \
		const struct interface##_##name##_results *rpc_w = results; \
		struct interface##_##name##_reply rpc_m; \
\
		(void)rpc_w, (void)rpc_c; \
		rpc_fetch(rpc_r, &rpc_m, sizeof(rpc_m)); \
		if (rpc_r->error) \
			return rpc_r->error; \
		RPC_EACH(RPC_FINISH, __VA_ARGS__) \
		return 0; \
	} \
	static inline int interface##_##name(struct rpc_client *rpc_c RPC_EACH(RPC_PARAMETER, __VA_ARGS__)) \
	{ \
		struct interface##_##name##_results rpc_w = {}; \
		struct interface##_##name##_request *rpc_m; \
\
		if (rpc_c->direct && !rpc_c->batching) \
			return ((const struct interface##_procedures *)rpc_c->direct->procedures) \
				->name(rpc_c->direct->context RPC_EACH(RPC_PASS, __VA_ARGS__)); \
		rpc_m = rpc_begin(rpc_c, interface##_##name##_number, sizeof(*rpc_m), 0 RPC_EACH(RPC_EXTRA, __VA_ARGS__)); \
		if (!rpc_m) \
			return -EMSGSIZE; \
		RPC_EACH(RPC_MARSHAL, __VA_ARGS__) \
		return rpc_send(rpc_c, interface##_##name##_finish, &rpc_w, sizeof(rpc_w)); \
	}

#define RPC_SERVE(interface, name, ...) \
	static int interface##_##name##_serve(const struct rpc_server *rpc_s, struct rpc_call *rpc_r) \
	{ \
		struct interface##_##name##_request rpc_m; \
		struct interface##_##name##_reply rpc_a, *rpc_to = rpc_reserve(rpc_r, sizeof(rpc_a)); \
		int rpc_status; \
\
		memset(&rpc_a, 0, sizeof(rpc_a)); \
		rpc_fetch(rpc_r, &rpc_m, sizeof(rpc_m)); \
		if (rpc_r->error) \
			return rpc_r->error; \
		RPC_EACH(RPC_UNMARSHAL, __VA_ARGS__) \
		if (rpc_r->error) \
			return rpc_r->error; \
		rpc_status = ((const struct interface##_procedures *)rpc_s->procedures) \
				     ->name(rpc_s->context RPC_EACH(RPC_PASS, __VA_ARGS__)); \
		if (rpc_status) \
			return rpc_status; \
		RPC_EACH(RPC_TRIM, __VA_ARGS__) \
		memcpy(rpc_to, &rpc_a, sizeof(rpc_a)); \
		return rpc_r->error; \
	}
#define RPC_ENTRY(interface, name, ...) {interface##_##name##_serve},

#define RPC_INTERFACE(interface, version, list) \
	enum { list(RPC_NUMBER) interface##_number_of_procedures }; \
	list(RPC_STRUCTURES) \
	struct interface##_procedures { \
		list(RPC_MEMBER) \
	}; \
	static const struct rpc_interface interface##_interface = {#interface, version, interface##_number_of_procedures}; \
	list(RPC_STUB)

#define RPC_SERVER(interface, list) \
	list(RPC_SERVE) \
	static struct rpc_server interface##_server(const struct interface##_procedures *procedures, void *context, const struct rpc_arena *arena) \
	{ \
		static const struct rpc_procedure table[] = {list(RPC_ENTRY)}; \
\
		return (struct rpc_server){&interface##_interface, table, procedures, context, arena ? *arena : (struct rpc_arena){NULL, 0}}; \
	}
