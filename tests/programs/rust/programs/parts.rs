// SPDX-License-Identifier: Apache-2.0
//! parts: messages made in parts, payloads passed on, and what a program can ask about itself.
//! Messages are SCALE, what is passed on stands behind them.
//!
//! handle  00 Parts                     sends the source "one, two, " and what stands behind the
//!                                      order, and the same with 5,000 gas; replies "three, four"
//!                                      and what stands behind, all in parts
//!         01 Forward { to: ActorId }   sends on what stands behind the order, and replies with it
//!         02 About                     replies (value: u128, available: u128, height: u32,
//!                                      time: u64, gas is enough: bool)
//!         03 Random  { of: [u8; 32] }  replies (number: [u8; 32], block: u32)
//!         04 Leave                     sends the source "leaving" and ends at once
//!         05 Worth                     replies (existential deposit: u128, mailbox threshold: u64,
//!                                      gas of a value: u64, value of a gas: u128)
//!         06 Late    { twice: bool }   writes behind the end: sends with a handle used already, or
//!                                      replies twice; either panics with the error
#![no_std]

use gstd::{ActorId, exec, msg, msg::MessageHandle, prelude::*};

#[derive(Decode)]
#[codec(crate = gstd::codec)]
enum Order {
    Parts,
    Forward { to: ActorId },
    About,
    Random { of: [u8; 32] },
    Leave,
    Worth,
    Late { twice: bool },
}

// The ranges below have an end: gstd makes 4 GiB of one that has none, which is refused.
fn in_parts(size: usize) -> MessageHandle {
    let message = MessageHandle::init().expect("a handle");
    message.push("one, ").expect("a part");
    message.push("two, ").expect("a part");
    message.push_input(1..size).expect("a part");
    message
}

#[unsafe(no_mangle)]
extern "C" fn handle() {
    let payload = msg::load_bytes().expect("a payload");
    let size = payload.len();
    match Order::decode(&mut &payload[..]).expect("an order") {
        Order::Parts => {
            in_parts(size).commit(msg::source(), 0).expect("a message");
            in_parts(size).commit_with_gas(msg::source(), 5_000, 0).expect("a message");
            msg::reply_push("three, ").expect("a part");
            msg::reply_push("four").expect("a part");
            msg::reply_push_input(1..size).expect("a part");
            msg::reply_commit(0)
        }
        Order::Forward { to } => {
            msg::send_input(to, 0, 33..size).expect("a message");
            msg::reply_input(0, 33..size)
        }
        Order::About => msg::reply(
            (
                msg::value(),
                exec::value_available(),
                exec::block_height(),
                exec::block_timestamp(),
                exec::gas_available() > 1_000_000,
            ),
            0,
        ),
        Order::Random { of } => msg::reply(exec::random(of).expect("a number"), 0),
        Order::Leave => {
            msg::send_bytes(msg::source(), "leaving", 0).expect("a message");
            exec::leave()
        }
        Order::Worth => {
            let env = exec::env_vars();
            let (deposit, threshold) = (env.existential_deposit, env.mailbox_threshold);
            let gas = env.gas_multiplier;
            msg::reply((deposit, threshold, gas.value_to_gas(1_000), gas.gas_to_value(1_000)), 0)
        }
        Order::Late { twice } => {
            if twice {
                msg::reply_bytes("first", 0).expect("a reply");
                msg::reply_bytes("second", 0)
            } else {
                let message = in_parts(size);
                message.commit(msg::source(), 0).expect("a message");
                message.commit(msg::source(), 0)
            }
        }
    }
    .expect("no second time");
}
