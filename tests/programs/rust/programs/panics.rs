// SPDX-License-Identifier: Apache-2.0
//! panics: every way to fail while a message is handled. late.rs fails after an await.
//!
//! init    "panic"   panics with a text
//!         "bytes"   panics with bytes that are no text
//!         else      succeeds
//! handle  "count"   replies with how many of the others succeeded, as decimal text: none
//!         "panic"   panics with a text
//!         "bytes"   panics with the bytes 00 ff fe 80
//!         "nothing" panics with no payload
//!         "unwrap"  unwraps an error
//!         "index"   reads beyond a vector
//!         "divide"  divides by zero, which Rust checks
//!         "memory"  asks for more memory than there is
//!         "trap"    executes unreachable
//!         "deep"    calls itself without end
//!         "loop"    burns all of its gas
#![no_std]

use core::hint::black_box;
use gstd::{ext, msg, prelude::*};
use programs::State;

static COUNT: State<u32> = State::new(0);

#[allow(unconditional_recursion)]
fn deep(depth: u32) -> u32 {
    black_box(deep(black_box(depth + 1))) + 1
}

#[unsafe(no_mangle)]
extern "C" fn init() {
    match &msg::load_bytes().expect("a payload")[..] {
        b"panic" => panic!("no program is made"),
        b"bytes" => ext::panic_bytes([0xde, 0xad, 0xbe, 0xef]),
        _ => (),
    }
}

#[unsafe(no_mangle)]
extern "C" fn handle() {
    let order = msg::load_bytes().expect("a payload");
    if order == b"count" {
        msg::reply_bytes(format!("{}", COUNT.get()), 0).expect("a reply");
        return;
    }
    // Undone by what follows.
    COUNT.with(|count| *count += 1);
    msg::send_bytes(msg::source(), "never seen", 0).expect("a message");
    msg::reply_bytes("never seen", 0).expect("a reply");
    match &order[..] {
        b"panic" => panic!("order number {}", order.len()),
        b"bytes" => ext::panic_bytes([0x00, 0xff, 0xfe, 0x80]),
        b"nothing" => ext::panic_bytes([]),
        b"unwrap" => black_box(Err::<(), u32>(7)).unwrap(),
        b"index" => {
            let _ = black_box(order[black_box(99)]);
        }
        b"divide" => {
            let _ = black_box(1 / black_box(0));
        }
        b"memory" => {
            let _ = black_box(vec![1u8; black_box(isize::MAX as usize)]);
        }
        b"trap" => core::arch::wasm32::unreachable(),
        b"deep" => {
            black_box(deep(0));
        }
        b"loop" => loop {
            black_box(&order);
        },
        _ => panic!("no such order"),
    }
}
