// SPDX-License-Identifier: Apache-2.0
//! locks: what happens when messages of one program overlap, with and without locks. Messages are
//! SCALE. Pausing is asking the program `slow`, so other messages are handled meanwhile.
//!
//! init    slow: ActorId
//! handle  00 Racy   { add: u32, pause: u32 }   reads a number, pauses, writes it plus `add`
//!         01 Locked { add: u32, pause: u32 }   the same with another number, under a mutex
//!         02 Read   { pause: u32 }             reads a third number under a lock for reading, held
//!                                              while it pauses
//!         03 Write  { value: u32, pause: u32 } pauses and writes it, under a lock for writing
//!         04 Hog    { own: u32, pause: u32 }   like Locked with 1000, but may own the mutex for
//!                                              `own` blocks only; whoever comes later takes it
//!                                              away, and this message then panics
//!         replies the number of its kind, u32
#![no_std]

use gstd::{
    ActorId, Config, msg,
    prelude::*,
    sync::{Mutex, RwLock},
};
use programs::State;

#[derive(Decode)]
#[codec(crate = gstd::codec)]
enum Order {
    Racy { add: u32, pause: u32 },
    Locked { add: u32, pause: u32 },
    Read { pause: u32 },
    Write { value: u32, pause: u32 },
    Hog { own: u32, pause: u32 },
}

static SLOW: State<ActorId> = State::new(ActorId::zero());
static RACY: State<u32> = State::new(0);
static LOCKED: Mutex<u32> = Mutex::new(0);
static BOARD: RwLock<u32> = RwLock::new(0);

#[unsafe(no_mangle)]
extern "C" fn init() {
    Config::set_system_reserve(20_000_000).expect("more than 0");
    SLOW.set(msg::load().expect("an id"));
}

async fn pause(blocks: u32) {
    msg::send_for_reply(SLOW.get(), blocks, 0, 0).expect("a message").await.expect("an answer");
}

async fn add(add: u32, blocks: u32, own: Option<u32>) -> u32 {
    let lock = LOCKED.lock();
    let mut number = match own {
        Some(own) => lock.own_up_for(own).expect("more than 0").await,
        None => lock.await,
    };
    let seen = *number;
    pause(blocks).await;
    *number = seen + add;
    *number
}

#[gstd::async_main]
async fn main() {
    let answer = match msg::load().expect("an order") {
        Order::Racy { add, pause: blocks } => {
            let seen = RACY.get();
            pause(blocks).await;
            RACY.set(seen + add);
            RACY.get()
        }
        Order::Locked { add: number, pause } => add(number, pause, None).await,
        Order::Hog { own, pause } => add(1000, pause, Some(own)).await,
        Order::Read { pause: blocks } => {
            let number = BOARD.read().await;
            pause(blocks).await;
            *number
        }
        Order::Write { value, pause: blocks } => {
            let mut number = BOARD.write().await;
            pause(blocks).await;
            *number = value;
            value
        }
    };
    msg::reply(answer, 0).expect("a reply");
}
