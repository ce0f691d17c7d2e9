// SPDX-License-Identifier: Apache-2.0
//! chain: each program asks the next, waits for its answer, and answers. Messages are SCALE.
//!
//! init    next: Option<ActorId>   whom to ask; None for the last
//! handle  number: u32, patience: Patience, hold: u32
//!         asks the next with the number plus 1 and half of the patience, and passes its answer on.
//!         The last sleeps `hold` blocks and answers with the number.
//!         Patience: 00 as gstd has it (100 blocks), 01 u32 up to so many blocks,
//!                   02 u32 exactly so many, all paid beforehand; the answer still ends it earlier
//! reply   00 number: u32          the answer
//!         01 expected: u32, now: u32, depth: u32
//!                                 whoever is `depth` programs further waited until block `expected`
//!                                 in vain
//!         02 text: String         asking failed
#![no_std]

use gstd::{ActorId, Config, errors::Error, exec, msg, prelude::*};
use programs::State;

#[derive(Encode, Decode, Clone, Copy)]
#[codec(crate = gstd::codec)]
enum Patience {
    Default,
    UpTo(u32),
    Exactly(u32),
}

impl Patience {
    fn half(self) -> Self {
        match self {
            Self::Default => Self::Default,
            Self::UpTo(blocks) => Self::UpTo(blocks.div_ceil(2)),
            Self::Exactly(blocks) => Self::Exactly(blocks.div_ceil(2)),
        }
    }
}

#[derive(Encode, Decode)]
#[codec(crate = gstd::codec)]
struct Order {
    number: u32,
    patience: Patience,
    hold: u32,
}

#[derive(Encode, Decode)]
#[codec(crate = gstd::codec)]
enum Answer {
    Number(u32),
    Late { expected: u32, now: u32, depth: u32 },
    Failed(String),
}

static NEXT: State<Option<ActorId>> = State::new(None);

async fn ask(next: ActorId, order: Order) -> Result<Answer, Error> {
    let patience = order.patience;
    let order = Order { number: order.number + 1, patience: patience.half(), ..order };
    let answer = msg::send_for_reply_as(next, order, 0, 0)?;
    match patience {
        Patience::Default => answer.await,
        Patience::UpTo(blocks) => answer.up_to(Some(blocks))?.await,
        Patience::Exactly(blocks) => answer.exactly(Some(blocks))?.await,
    }
}

#[unsafe(no_mangle)]
extern "C" fn init() {
    Config::set_system_reserve(20_000_000).expect("more than 0");
    NEXT.set(msg::load().expect("the next or none"));
}

#[gstd::async_main]
async fn main() {
    let order: Order = msg::load().expect("an order");
    let answer = match NEXT.get() {
        Some(next) => match ask(next, order).await {
            Ok(Answer::Late { expected, now, depth }) => {
                Answer::Late { expected, now, depth: depth + 1 }
            }
            Ok(answer) => answer,
            Err(Error::Timeout(expected, now)) => Answer::Late { expected, now, depth: 0 },
            Err(error) => Answer::Failed(format!("{error}")),
        },
        None => {
            if order.hold > 0 {
                exec::sleep_for(order.hold).await;
            }
            Answer::Number(order.number)
        }
    };
    msg::reply(answer, 0).expect("a reply");
}
