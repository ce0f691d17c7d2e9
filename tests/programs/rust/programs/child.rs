// SPDX-License-Identifier: Apache-2.0
//! child: what factory.rs makes.
//!
//! init    "fail"    panics
//!         else      replies "born: " and the payload
//! handle  "whose"   replies with the 32 bytes of its creator's id
//!         "fail"    panics
//!         else      replies with the payload
#![no_std]

use gstd::{ActorId, msg, prelude::*};
use programs::State;

static CREATOR: State<ActorId> = State::new(ActorId::zero());

#[unsafe(no_mangle)]
extern "C" fn init() {
    let payload = msg::load_bytes().expect("a payload");
    if payload == b"fail" {
        panic!("not to be born");
    }
    CREATOR.set(msg::source());
    msg::reply_bytes([b"born: ", &payload[..]].concat(), 0).expect("a reply");
}

#[unsafe(no_mangle)]
extern "C" fn handle() {
    match &msg::load_bytes().expect("a payload")[..] {
        b"whose" => msg::reply_bytes(CREATOR.get(), 0),
        b"fail" => panic!("told to fail"),
        other => msg::reply_bytes(other, 0),
    }
    .expect("a reply");
}
