// SPDX-License-Identifier: Apache-2.0
//! waits: waits and wakes as the engine has them, without gstd's futures. Messages are SCALE.
//!
//! handle  00 Wait                         waits as long as its gas lasts
//!         01 WaitFor     { blocks: u32 }  waits just so long
//!         02 WaitUpTo    { blocks: u32 }  waits no longer than that
//!         03 Wake                         wakes all that wait; replies how many, u32
//!         04 WakeDelayed { blocks: u32 }  the same, so many blocks later
//!         05 Exit                         ends the program; the source is its heir
//!         06 Late                         replies, then waits, which is not allowed
//!         What waits replies "woken in block N, turn T" in the end: how often it was run
#![no_std]

use gstd::{MessageId, exec, msg, prelude::*};
use programs::State;

#[derive(Decode, Clone, Copy)]
#[codec(crate = gstd::codec)]
enum Order {
    Wait,
    WaitFor { blocks: u32 },
    WaitUpTo { blocks: u32 },
    Wake,
    WakeDelayed { blocks: u32 },
    Exit,
    Late,
}

static WAITING: State<Vec<MessageId>> = State::new(Vec::new());
static TURN: State<u32> = State::new(0);

/// Whether the message at hand is run again after a wait.
fn is_woken() -> bool {
    let id = msg::id();
    WAITING.with(|all| match all.iter().position(|w| *w == id) {
        Some(at) => {
            all.remove(at);
            true
        }
        None => {
            all.push(id);
            false
        }
    })
}

fn pause(wait: impl FnOnce() -> MessageId) -> MessageId {
    TURN.with(|turn| *turn += 1);
    if !is_woken() {
        return wait();
    }
    let text = format!("woken in block {}, turn {}", exec::block_height(), TURN.get());
    msg::reply_bytes(text, 0).expect("a reply")
}

fn wake(blocks: u32) -> u32 {
    WAITING.with(|all| {
        for id in all.iter() {
            exec::wake_delayed(*id, blocks).expect("a wake");
        }
        all.len() as u32
    })
}

#[unsafe(no_mangle)]
extern "C" fn handle() {
    match msg::load().expect("an order") {
        Order::Wait => pause(|| exec::wait()),
        Order::WaitFor { blocks } => pause(|| exec::wait_for(blocks)),
        Order::WaitUpTo { blocks } => pause(|| exec::wait_up_to(blocks)),
        Order::Wake => msg::reply(wake(0), 0).expect("a reply"),
        Order::WakeDelayed { blocks } => msg::reply(wake(blocks), 0).expect("a reply"),
        Order::Exit => exec::exit(msg::source()),
        Order::Late => {
            msg::reply_bytes("too early", 0).expect("a reply");
            exec::wait()
        }
    };
}
