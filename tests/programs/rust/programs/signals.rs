// SPDX-License-Identifier: Apache-2.0
//! signals: what gstd does about an asynchronous message that fails: a hook of the message runs,
//! and a function of the program.
//!
//! init    peer: 32 bytes    a program that answers "PING"
//! handle  text
//!         "heard"   replies with what was sent about signals so far, line by line
//!         else      sets a hook, asks the peer with "PING" and waits; then
//!                   "panic" panics; "burn" runs out of gas; "wait" burns all gas but some for a
//!                   few hundred blocks and waits until it is removed; anything else replies "fine",
//!                   and the hook is forgotten
//! handle_signal
//!         the hook sends "hook: " and the text to the source of init; then the program sends it
//!         "signal N"
#![no_std]

use core::hint::black_box;
use gstd::{ActorId, Config, critical, exec, msg, prelude::*};
use programs::State;

static OWNER: State<ActorId> = State::new(ActorId::zero());
static PEER: State<ActorId> = State::new(ActorId::zero());
static HEARD: State<String> = State::new(String::new());

fn tell(text: String) {
    msg::send_bytes(OWNER.get(), &text, 0).expect("a message");
    HEARD.with(|heard| *heard += &format!("{text}\n"));
}

#[unsafe(no_mangle)]
extern "C" fn init() {
    Config::set_system_reserve(20_000_000).expect("more than 0");
    OWNER.set(msg::source());
    PEER.set(msg::load().expect("an id"));
}

fn on_signal() {
    let code = msg::signal_code().expect("a signal").expect("a known one").to_u32();
    tell(format!("signal {code}"));
}

#[gstd::async_main(handle_signal = on_signal)]
async fn main() {
    let order = msg::load_bytes().expect("a payload");
    if order == b"heard" {
        HEARD.with(|heard| msg::reply_bytes(&heard, 0)).expect("a reply");
        return;
    }
    let said = format!("hook: {}", String::from_utf8_lossy(&order));
    critical::set_hook(move || tell(said.clone()));
    msg::send_bytes_for_reply(PEER.get(), "PING", 0, 0)
        .expect("a message")
        .await
        .expect("an answer");
    match &order[..] {
        b"panic" => panic!("after the answer"),
        b"burn" => loop {
            black_box(&order);
        },
        b"wait" => {
            while exec::gas_available() > 80_000 {}
            exec::wait()
        }
        _ => msg::reply_bytes("fine", 0).expect("a reply"),
    };
}
