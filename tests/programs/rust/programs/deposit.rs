// SPDX-License-Identifier: Apache-2.0
//! deposit: pays beforehand for handling a reply. Messages are SCALE.
//!
//! init    peer: ActorId           a program that answers "PING"
//! handle  00 Hook  { gas: u64 }   asks the peer, with so much gas for handling the answer, which a
//!                                 hook does; waits, and replies with how often hooks have run, u32
//!         01 Plain { gas: u64 }   asks the peer, who gets 2,000,000 gas for it, with so much gas
//!                                 for handling the answer, or none; does not wait, replies nothing
//!         02 Count                replies (hooks: u32, answers: u32)
//!         03 Twice { gas: u64 }   pays for one answer twice; replies whether the second is refused
//! handle_reply                    counts answers; takes more than 50,000,000 gas
#![no_std]

use core::hint::black_box;
use gstd::{ActorId, Config, exec, msg, prelude::*};
use programs::State;

#[derive(Decode)]
#[codec(crate = gstd::codec)]
enum Order {
    Hook { gas: u64 },
    Plain { gas: u64 },
    Count,
    Twice { gas: u64 },
}

static PEER: State<ActorId> = State::new(ActorId::zero());
static HOOKS: State<u32> = State::new(0);
static ANSWERS: State<u32> = State::new(0);

#[unsafe(no_mangle)]
extern "C" fn init() {
    Config::set_system_reserve(20_000_000).expect("more than 0");
    PEER.set(msg::load().expect("an id"));
}

fn on_reply() {
    ANSWERS.with(|answers| *answers += 1);
    for i in 0..25_000 {
        black_box(i);
    }
}

#[gstd::async_main(handle_reply = on_reply)]
async fn main() {
    match msg::load().expect("an order") {
        Order::Hook { gas } => {
            msg::send_bytes_for_reply(PEER.get(), "PING", 0, gas)
                .expect("a message")
                .handle_reply(|| HOOKS.with(|hooks| *hooks += 1))
                .expect("a deposit")
                .await
                .expect("an answer");
            msg::reply(HOOKS.get(), 0).expect("a reply");
        }
        Order::Plain { gas } => {
            let question =
                msg::send_bytes_with_gas(PEER.get(), "PING", 2_000_000, 0).expect("a message");
            if gas > 0 {
                exec::reply_deposit(question, gas).expect("a deposit");
            }
        }
        Order::Count => {
            msg::reply((HOOKS.get(), ANSWERS.get()), 0).expect("a reply");
        }
        Order::Twice { gas } => {
            let question = msg::send_bytes(PEER.get(), "PING", 0).expect("a message");
            exec::reply_deposit(question, gas).expect("a deposit");
            let second = exec::reply_deposit(question, gas);
            msg::reply(second.is_err(), 0).expect("a reply");
        }
    }
}
