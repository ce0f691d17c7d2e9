/* SPDX-License-Identifier: Apache-2.0 */
/* keeper: a program that leaves things behind: what waits, letters, delayed messages, reservations.
 * The size of a message says what it does; sizes without a meaning do nothing. */
#ifndef MR_TESTS_ENGINE_KEEPER_H
#define MR_TESTS_ENGINE_KEEPER_H

#include "tests/engine/fixture.h"

enum {
    KEEPER_WAIT = 1,    /* for KEEPER_BLOCKS, once; then succeeds */
    KEEPER_WAKE = 2,    /* the last that waited */
    KEEPER_RESERVE = 3, /* KEEPER_GAS for KEEPER_BLOCKS */
    KEEPER_LETTER = 4,  /* to the source, with KEEPER_GAS */
    KEEPER_DELAY = 5,   /* a message to the source, by KEEPER_BLOCKS */
    KEEPER_TRAP = 6,    /* in a function $inner called by $outer */
    KEEPER_SPIN = 7,    /* until its gas is gone */
    KEEPER_BLOCKS = 10,
    KEEPER_GAS = 500000,
};

static const char keeper_text[] =
    "(module (import \"env\" \"memory\" (memory 1))\n"
    "(import \"env\" \"gr_size\" (func $size (param i32)))\n"
    "(import \"env\" \"gr_source\" (func $source (param i32)))\n"
    "(import \"env\" \"gr_message_id\" (func $id (param i32)))\n"
    "(import \"env\" \"gr_wait_up_to\" (func $wait (param i32)))\n"
    "(import \"env\" \"gr_wake\" (func $wake (param i32 i32 i32)))\n"
    "(import \"env\" \"gr_reserve_gas\" (func $reserve (param i64 i32 i32)))\n"
    "(import \"env\" \"gr_send_wgas\" (func $send (param i32 i32 i32 i64 i32 i32)))\n"
    "(func $inner unreachable)\n"
    "(func $outer (call $inner))\n"
    "(func (export \"init\"))\n"
    "(func $handle (export \"handle\") (local $what i32)\n"
    "  (call $size (i32.const 0))\n"
    "  (local.set $what (i32.load (i32.const 0)))\n"
    "  (call $source (i32.const 64))\n" /* with value 0 behind it: a destination */
    "  (if (i32.eq (local.get $what) (i32.const 1)) (then\n"
    "    (if (i32.eqz (i32.load (i32.const 256))) (then\n"
    "      (i32.store (i32.const 256) (i32.const 1))\n"
    "      (call $id (i32.const 320))\n"
    "      (call $wait (i32.const 10))))\n"
    "    (i32.store (i32.const 256) (i32.const 0))))\n"
    "  (if (i32.eq (local.get $what) (i32.const 2)) (then\n"
    "    (call $wake (i32.const 320) (i32.const 0) (i32.const 512))))\n"
    "  (if (i32.eq (local.get $what) (i32.const 3)) (then\n"
    "    (call $reserve (i64.const 500000) (i32.const 10) (i32.const 512))))\n"
    "  (if (i32.eq (local.get $what) (i32.const 4)) (then\n"
    "    (call $send (i32.const 64) (i32.const 0) (i32.const 4) (i64.const 500000) (i32.const 0)\n"
    "                (i32.const 512))))\n"
    "  (if (i32.eq (local.get $what) (i32.const 5)) (then\n"
    "    (call $send (i32.const 64) (i32.const 0) (i32.const 4) (i64.const 500000)\n"
    "                (i32.const 10) (i32.const 512))))\n"
    "  (if (i32.eq (local.get $what) (i32.const 6)) (then (call $outer)))\n"
    "  (if (i32.eq (local.get $what) (i32.const 7)) (then (loop $spin (br $spin))))))\n";

/* The payload of a message that makes the keeper do `what`. */
static inline mr_span keeper_payload(unsigned what)
{
    static const uint8_t bytes[16] = {0};
    return mr_span_of(bytes, what);
}

#endif
