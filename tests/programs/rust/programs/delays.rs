// SPDX-License-Identifier: Apache-2.0
//! delays: messages that leave later. Messages are SCALE.
//!
//! handle  00 User  { blocks: u32 }             sends the source "later" after so many blocks
//!         01 Self  { blocks: u32 }             sends itself an order of kind 03
//!         02 Gas   { blocks: u32, gas: u64 }   the same, with so much gas
//!         03 Now   { user: ActorId }           sends the user "block N", the height at hand
//!         04 Many  { count: u32 }              sends the source the numbers 1 to `count` as u32, in
//!                                              that order, number n after count + 1 - n blocks
#![no_std]

use gstd::{ActorId, exec, msg, prelude::*};

#[derive(Encode, Decode)]
#[codec(crate = gstd::codec)]
enum Order {
    User { blocks: u32 },
    Itself { blocks: u32 },
    Gas { blocks: u32, gas: u64 },
    Now { user: ActorId },
    Many { count: u32 },
}

#[unsafe(no_mangle)]
extern "C" fn handle() {
    let (user, program) = (msg::source(), exec::program_id());
    match msg::load().expect("an order") {
        Order::User { blocks } => msg::send_bytes_delayed(user, "later", 0, blocks),
        Order::Itself { blocks } => msg::send_delayed(program, Order::Now { user }, 0, blocks),
        Order::Gas { blocks, gas } => {
            msg::send_with_gas_delayed(program, Order::Now { user }, gas, 0, blocks)
        }
        Order::Now { user } => {
            msg::send_bytes(user, format!("block {}", exec::block_height()), 0)
        }
        Order::Many { count } => (1..=count)
            .map(|n| msg::send_delayed(user, n, 0, count + 1 - n))
            .last()
            .expect("at least one"),
    }
    .expect("a message");
}
