// SPDX-License-Identifier: Apache-2.0
//! ping: answers.
//!
//! handle  "PING"          replies "PONG"
//!         anything else   replies nothing of its own
#![no_std]

use gstd::msg;

#[unsafe(no_mangle)]
extern "C" fn handle() {
    if msg::load_bytes().expect("a payload") == b"PING" {
        msg::reply_bytes("PONG", 0).expect("a reply");
    }
}
