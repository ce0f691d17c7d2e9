// SPDX-License-Identifier: Apache-2.0
//! capacitor: the example of the Gear whitepaper. Collects charge, and gives it off at a limit.
//!
//! init    text    the limit, a decimal number
//! handle  text    a decimal number, added to the charge. If that reaches the limit, the source
//!                 is sent "Discharged: N" and the charge is 0 again
//! state   -       replies with the charges given off so far, SCALE Vec<u32>
//!
//! What is no number panics.
#![no_std]

use gstd::{debug, msg, prelude::*};
use programs::State;

static LIMIT: State<u32> = State::new(0);
static CHARGE: State<u32> = State::new(0);
static DISCHARGED: State<Vec<u32>> = State::new(Vec::new());

fn number() -> u32 {
    let text = String::from_utf8(msg::load_bytes().expect("a payload")).expect("text");
    text.parse().expect("a number")
}

#[unsafe(no_mangle)]
extern "C" fn init() {
    LIMIT.set(number());
}

#[unsafe(no_mangle)]
extern "C" fn handle() {
    let charge = CHARGE.get() + number();
    debug!("charged with {charge}, limit {}", LIMIT.get());
    if charge < LIMIT.get() {
        CHARGE.set(charge);
        return;
    }
    msg::send_bytes(msg::source(), format!("Discharged: {charge}"), 0).expect("a message");
    DISCHARGED.with(|all| all.push(charge));
    CHARGE.set(0);
}

#[unsafe(no_mangle)]
extern "C" fn state() {
    DISCHARGED.with(|all| msg::reply(all, 0)).expect("a reply");
}
