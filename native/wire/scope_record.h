/*
 * The bytes of a record and of the rings that carry records from a program's threads to whoever
 * reads them: the program's own reporter, the edge, or whoever looks at a crash. The only thing that
 * capture and report share. Plain C, no functions that call out, usable from C++.
 *
 *   file (memfd)   ┌────────┬────────┬────────┬─ … one slot a thread, claimed at its first record
 *                  │ header │ slot 0 │ slot 1 │
 *                  └────────┴────────┴────────┴─ …
 *   slot           ┌──────────────────┬──────────────────────────────┐
 *                  │ slot header      │ data: SCOPE_SLOT_DATA bytes  │
 *                  └──────────────────┴──────────────────────────────┘
 *
 * One producer (the thread) and one consumer a slot. The producer writes a record and publishes it by
 * one release store of `head`; the consumer gives space back by a release store of `tail`. Both count
 * bytes for ever; the place in the data is the count modulo its size. A record never wraps: a
 * SCOPE_PAD record fills the end. A full ring drops the newest record and counts it.
 *
 * Whoever reads a ring of another process must take every byte for hostile: copy, then check.
 */
#ifndef SCOPE_RECORD_H
#define SCOPE_RECORD_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SCOPE_RING_MAGIC "SCOPRING"
#define SCOPE_RING_VERSION 1u

#define SCOPE_HEADER_BYTES 4096u
/** Bytes of data in a slot; a power of two. Pages are only backed once they are written. */
#define SCOPE_SLOT_DATA (256u * 1024u)
/** Slot header, with the slot's counters; a multiple of the page size. */
#define SCOPE_SLOT_HEADER 4096u
#define SCOPE_SLOT_BYTES (SCOPE_SLOT_HEADER + SCOPE_SLOT_DATA)
/** Threads that can have a slot at once; the records of others are dropped and counted. */
#define SCOPE_SLOTS 256u
/** Largest record, header included. */
#define SCOPE_RECORD_MAX (64u * 1024u)

/** Head of the file. Written once, before the first slot is claimed, but for the last two fields. */
struct scope_ring_header {
    char magic[8];
    uint32_t version;
    uint32_t slot_count;
    uint32_t slot_data;
    uint32_t pid;
    /** CLOCK_MONOTONIC at the start, and what must be added to it to give CLOCK_REALTIME; ns. */
    uint64_t start_ns;
    int64_t realtime_offset_ns;
    /** Records that were dropped because no slot was free. Atomic. */
    uint64_t dropped_without_slot;
    /** enum scope_sleep: set by a consumer that sleeps, cleared by the producer that wakes it (futex). Atomic. */
    uint32_t sleeping;
    uint32_t reserved;
};

enum scope_sleep {
    SCOPE_AWAKE = 0,
    /** To be woken by the next record. */
    SCOPE_SLEEPS = 1,
    /** Comes back soon by itself; to be woken only if a slot is more than half full, or overflows. */
    SCOPE_NAPS = 2
};

enum scope_slot_state {
    SCOPE_SLOT_FREE = 0,
    SCOPE_SLOT_USED = 1,
    /** The thread has ended; the consumer frees the slot when it has read the rest. */
    SCOPE_SLOT_ENDED = 2
};

/**
 * Running totals of one thread since it claimed the slot; only that thread writes them, with plain
 * 64-bit stores. The reporter sums all slots and reports differences. They go on when a slot is
 * claimed again, so sums never fall.
 */
enum scope_counter {
    SCOPE_COUNT_FS_OPEN,
    SCOPE_COUNT_FS_CLOSE,
    SCOPE_COUNT_FS_SEEK,
    SCOPE_COUNT_FS_STAT,
    SCOPE_COUNT_FS_READ_BYTES,
    SCOPE_COUNT_FS_READ_OPS,
    SCOPE_COUNT_FS_WRITE_BYTES,
    SCOPE_COUNT_FS_WRITE_OPS,
    /** Time spent in reads and writes of files, ns; 0 unless durations are asked for. */
    SCOPE_COUNT_FS_NS,
    SCOPE_COUNT_FS_ERROR_OPEN_CLOSE,
    SCOPE_COUNT_FS_ERROR_READ_WRITE,
    SCOPE_COUNT_FS_ERROR_STAT,
    SCOPE_COUNT_NET_OPEN,
    SCOPE_COUNT_NET_CLOSE,
    /** Milliseconds that closed connections had lived, as ns; divide by NET_CLOSE for the mean. */
    SCOPE_COUNT_NET_LIFE_NS,
    /** Five classes each, in the order of enum scope_net_class. */
    SCOPE_COUNT_NET_RX_BYTES,
    SCOPE_COUNT_NET_RX_OPS = SCOPE_COUNT_NET_RX_BYTES + 5,
    SCOPE_COUNT_NET_TX_BYTES = SCOPE_COUNT_NET_RX_OPS + 5,
    SCOPE_COUNT_NET_TX_OPS = SCOPE_COUNT_NET_TX_BYTES + 5,
    SCOPE_COUNT_NET_ERROR_CONNECTION = SCOPE_COUNT_NET_TX_OPS + 5,
    SCOPE_COUNT_NET_ERROR_RX_TX,
    SCOPE_COUNT_NET_ERROR_DNS,
    SCOPE_COUNT_DNS_REQ,
    SCOPE_COUNT_DNS_NS,
    /** Gauges as differences: sockets of each kind opened minus closed; a sum may pass through other threads. */
    SCOPE_COUNT_OPEN_TCP,
    SCOPE_COUNT_OPEN_UDP,
    SCOPE_COUNT_OPEN_OTHER,
    SCOPE_COUNT_LISTENING,
    SCOPE_COUNTERS
};

enum scope_net_class {
    SCOPE_NET_INET_TCP,
    SCOPE_NET_INET_UDP,
    SCOPE_NET_UNIX_TCP,
    SCOPE_NET_UNIX_UDP,
    SCOPE_NET_OTHER
};

/** Head of a slot: three cache lines by who writes them, then the counters. */
struct scope_slot {
    /* the claiming of the slot: atomic */
    uint32_t state;
    uint32_t tid;
    uint8_t pad0[56];
    /* the producer */
    uint64_t head;
    uint64_t sequence;
    uint64_t dropped_records;
    uint8_t pad1[40];
    /* the consumer */
    uint64_t tail;
    uint8_t pad2[56];
    uint64_t counters[SCOPE_COUNTERS];
};

enum scope_kind {
    /** Fills the end of the data; only `size` means something. */
    SCOPE_PAD = 0,
    SCOPE_FILE_OPEN = 1,  /* struct scope_file_open + path */
    SCOPE_FILE_CLOSE = 2, /* struct scope_file_close */
    SCOPE_FILE_DELETE = 3, /* struct scope_path_op + path */
    SCOPE_FILE_CHANGE = 4, /* struct scope_path_op + path [+ NUL + second path]: rename, mkdir, chmod, … */
    SCOPE_FILE_ERROR = 5, /* struct scope_path_op + path: an open, read, write or stat that failed */
    SCOPE_NET_OPEN = 16,  /* struct scope_net_open: both addresses are known */
    SCOPE_NET_CLOSE = 17, /* struct scope_net_close */
    SCOPE_NET_LISTEN = 18, /* struct scope_net_open, remote empty */
    SCOPE_NET_ERROR = 19, /* struct scope_net_error */
    SCOPE_DATA = 32,      /* struct scope_data + head bytes + tail bytes */
    SCOPE_DNS_REQUEST = 48, /* struct scope_dns + name */
    SCOPE_DNS_RESPONSE = 49, /* struct scope_dns + name; addresses come from SCOPE_DATA where there are packets */
    SCOPE_CONSOLE = 64,   /* struct scope_text + bytes: written to stdout or stderr */
    SCOPE_LOG_TEXT = 65,  /* struct scope_text + bytes: written to a watched file */
    SCOPE_PROCESS_START = 80, /* struct scope_process + argv joined by spaces; also in a forked child */
    SCOPE_PROCESS_EXEC = 81,  /* struct scope_process + path */
    SCOPE_PROCESS_EXIT = 82   /* struct scope_process */
};

/** Every record begins with this and is padded to a multiple of 8 bytes. */
struct scope_record {
    /** Of the whole record, header and padding included. */
    uint32_t size;
    uint16_t kind;
    /** Bytes of padding at the end, 0 to 7. */
    uint16_t padding;
    /** CLOCK_MONOTONIC at the call's return, ns. */
    uint64_t time_ns;
    /** Names what a descriptor refers to, from its opening to its last close; 0 if there is none. */
    uint64_t channel;
    uint32_t tid;
    /** Low half of the slot's sequence: a gap shows records that were dropped. */
    uint32_t sequence;
};

/** Which function it was, as an index into scope_op_names[] (generated from hooks.def). */
typedef uint16_t scope_op;

struct scope_file_open {
    int32_t fd;
    /** -1: opened before the fork that made this process; told so that its text has a name, no event. */
    int32_t flags;
    uint32_t mode;
    scope_op op;
    uint16_t path_length;
};

struct scope_file_close {
    int32_t fd;
    scope_op op;
    uint16_t reserved;
    uint64_t read_bytes;
    uint64_t read_ops;
    uint64_t write_bytes;
    uint64_t write_ops;
    /** Time spent in its reads and writes, ns; 0 unless durations are asked for. */
    uint64_t io_ns;
    uint64_t opened_ns;
};

struct scope_path_op {
    int32_t error; /* errno, 0 if it succeeded */
    scope_op op;
    uint16_t path_length;
};

/** An address as the kernel gives it, cut to what can be shown. */
struct scope_address {
    uint16_t family; /* AF_INET, AF_INET6, AF_UNIX, 0 = unknown */
    uint16_t port;   /* host byte order */
    uint32_t reserved;
    uint8_t ip[16];  /* AF_INET in the first four */
    uint64_t inode;  /* AF_UNIX */
};

struct scope_net_open {
    int32_t fd;
    uint16_t type;   /* SOCK_STREAM, … without flags */
    uint16_t is_server; /* 1: accepted, 0: connected */
    struct scope_address local;
    struct scope_address remote;
};

struct scope_net_close {
    struct scope_net_open connection;
    uint64_t received_bytes;
    uint64_t received_ops;
    uint64_t sent_bytes;
    uint64_t sent_ops;
    uint64_t opened_ns;
    uint16_t by_remote; /* the peer ended it first */
    uint16_t reserved[3];
};

struct scope_net_error {
    int32_t error;
    scope_op op;
    uint16_t is_connection; /* connect, accept, bind …; 0 = a transfer */
};

enum scope_data_source {
    SCOPE_NETWORK_IN = 1,
    SCOPE_NETWORK_OUT = 2,
    /** Plaintext of TLS, as the program reads or writes it. */
    SCOPE_TLS_IN = 3,
    SCOPE_TLS_OUT = 4
};

/**
 * What one call moved on a channel: how much, and the first and the last bytes of it. `head_length +
 * tail_length <= length`; if equal, the bytes are all there. A call of many buffers is one record.
 */
struct scope_data {
    int32_t fd;
    uint8_t source; /* enum scope_data_source */
    uint8_t is_datagram;
    uint16_t reserved;
    uint64_t length;
    uint32_t head_length;
    uint32_t tail_length;
};

struct scope_dns {
    uint64_t duration_ns; /* 0 in a request */
    int32_t error;        /* what getaddrinfo and its like returned */
    uint16_t name_length;
    uint16_t reserved;
};

struct scope_text {
    int32_t fd; /* 1, 2, or the file's */
    uint32_t length;      /* of what was written */
    uint32_t kept_length; /* bytes that follow; the rest was cut */
    uint32_t reserved;
};

struct scope_process {
    uint32_t pid;
    uint32_t parent_pid;
    int32_t status; /* of an exit */
    uint32_t text_length;
};

#ifdef __cplusplus
}
#endif
#endif
