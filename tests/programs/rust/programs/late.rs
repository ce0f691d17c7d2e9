// SPDX-License-Identifier: Apache-2.0
//! late: fails, or not, behind an await, in init and in handle.
//!
//! init    peer: 32 bytes, order: text
//!         asks the peer with "PING" and waits for an answer; then, if the order is "panic",
//!         panics, else replies "ready"
//! handle  text
//!         "count"   replies with the count, as decimal text
//!         else      adds 1 to the count; asks the peer with "PING", or with "fail" if the order is
//!                   "refused", and waits; adds 10; then "panic" panics with a text, "bytes" with
//!                   the bytes 01 02 fd, and anything else replies with the peer's answer, or panics
//!                   when that is an error
//!
//! What happens before the await stays, what happens after it is undone by a panic.
#![no_std]

use gstd::{ActorId, Config, ext, msg, prelude::*};
use programs::State;

static PEER: State<ActorId> = State::new(ActorId::zero());
static COUNT: State<u32> = State::new(0);

#[gstd::async_init]
async fn init() {
    let payload = msg::load_bytes().expect("a payload");
    let peer: [u8; 32] = payload[..32].try_into().expect("32 bytes");
    Config::set_system_reserve(20_000_000).expect("more than 0");
    PEER.set(peer.into());
    let answer = msg::send_bytes_for_reply(PEER.get(), "PING", 0, 0).expect("a message").await;
    answer.expect("an answer");
    if &payload[32..] == b"panic" {
        panic!("born to fail");
    }
    msg::reply_bytes("ready", 0).expect("a reply");
}

#[gstd::async_main]
async fn main() {
    let order = msg::load_bytes().expect("a payload");
    if order == b"count" {
        msg::reply_bytes(format!("{}", COUNT.get()), 0).expect("a reply");
        return;
    }
    COUNT.with(|count| *count += 1);
    let question = if order == b"refused" { "fail" } else { "PING" };
    let answer = msg::send_bytes_for_reply(PEER.get(), question, 0, 0).expect("a message").await;
    COUNT.with(|count| *count += 10);
    match &order[..] {
        b"panic" => panic!("after the answer, count {}", COUNT.get()),
        b"bytes" => ext::panic_bytes([0x01, 0x02, 0xfd]),
        _ => {
            let answer = answer.expect("an answer");
            msg::reply_bytes(answer, 0).expect("a reply");
        }
    }
}
