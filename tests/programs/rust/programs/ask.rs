// SPDX-License-Identifier: Apache-2.0
//! ask: asks a user and waits for the answer. Messages are SCALE.
//!
//! handle  user: ActorId, blocks: u32, question: Vec<u8>
//!         sends the question to the user, waits for up to so many blocks, and replies
//!         00 answer: Vec<u8>      what the user replied; nothing, if the letter was claimed or ran
//!                                 out unanswered
//!         01                      too late
#![no_std]

use gstd::{ActorId, Config, errors::Error, msg, prelude::*};

#[derive(Decode)]
#[codec(crate = gstd::codec)]
struct Order {
    user: ActorId,
    blocks: u32,
    question: Vec<u8>,
}

#[unsafe(no_mangle)]
extern "C" fn init() {
    Config::set_system_reserve(20_000_000).expect("more than 0");
}

#[gstd::async_main]
async fn main() {
    let order: Order = msg::load().expect("an order");
    let answer = msg::send_bytes_for_reply(order.user, order.question, 0, 0)
        .expect("a message")
        .up_to(Some(order.blocks))
        .expect("more than 0")
        .await;
    match answer {
        Ok(bytes) => msg::reply((0u8, bytes), 0),
        Err(Error::Timeout(..)) => msg::reply(1u8, 0),
        Err(error) => panic!("{error}"),
    }
    .expect("a reply");
}
