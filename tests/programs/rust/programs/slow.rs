// SPDX-License-Identifier: Apache-2.0
//! slow: replies when it is time. Others ask it in order to wait. Messages are SCALE.
//!
//! handle  blocks: u32     sleeps so many blocks, 1000 at most, then replies with the number;
//!                         0: at once. Bytes behind the number are ignored
#![no_std]

use gstd::{Config, exec, msg};

#[unsafe(no_mangle)]
extern "C" fn init() {
    Config::set_system_reserve(20_000_000).expect("more than 0");
}

#[gstd::async_main]
async fn main() {
    let blocks: u32 = msg::load().expect("a number");
    if blocks > 0 {
        exec::sleep_for(blocks.min(1000)).await;
    }
    msg::reply(blocks, 0).expect("a reply");
}
