// SPDX-License-Identifier: Apache-2.0
//! capacitor: the example of the Gear whitepaper, with its statics, its entries and what these do
//! in their order. Collects charge, and gives it off at a limit.
//!
//! init    text    the limit, a decimal number
//! handle  text    a decimal number, added to the charge. If that reaches the limit, the source
//!                 is sent "Discharged: N" with 10,000,000 gas, and the charge is 0 again
//! state   -       replies with the charges given off so far, SCALE Vec<u32>
//!
//! What is no number panics.
//!
//! It differs from what is printed as the edition and the gstd of today ask for:
//!
//! - Entries are `#[unsafe(no_mangle)]`, and what touches a `static mut` stands in an unsafe block,
//!   also in an unsafe function: the edition of 2024 wants both said.
//! - No `static mut` is borrowed, which that edition refuses: numbers are copied before they are
//!   formatted, and the history is reached by `static_mut!`.
//! - `load_bytes` and what sends return a `Result`: the payload may be read once only, and sending
//!   may fail. Either would be a panic.
//! - `send_bytes_with_gas` is what `send` was: bytes as they are and a limit. It takes value, too.
//! - `debug!` stands for `ext::debug` of a `format!`: gstd no longer shows `ext`. Without its feature
//!   `debug`, which no program here asks for, that is nothing.
//! - `parse` stands for `from_str`, whose trait the prelude does not bring.
//! - `state` is new: when that was printed no entry could read, and the history was for nobody.
#![no_std]

use gstd::{debug, msg, prelude::*, static_mut};

static mut CHARGE: u32 = 0;
static mut LIMIT: u32 = 0;
static mut DISCHARGE_HISTORY: Vec<u32> = Vec::new();

#[unsafe(no_mangle)]
unsafe extern "C" fn handle() {
    let message = String::from_utf8(msg::load_bytes().expect("a payload")).expect("text");
    let to_add: u32 = message.parse().expect("a number");

    // SAFETY: programs have one thread.
    unsafe {
        CHARGE += to_add;
        let (charge, limit) = (CHARGE, LIMIT);
        debug!("{to_add} more, the charge is {charge}");

        if CHARGE >= LIMIT {
            debug!("{charge} reaches the limit of {limit}");
            let text = format!("Discharged: {charge}");
            msg::send_bytes_with_gas(msg::source(), text, 10_000_000, 0).expect("a message");
            static_mut!(DISCHARGE_HISTORY).push(CHARGE);
            CHARGE = 0;
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn init() {
    let text = String::from_utf8(msg::load_bytes().expect("a payload")).expect("text");
    let limit: u32 = text.parse().expect("a number");

    // SAFETY: as above.
    unsafe { LIMIT = limit };
    debug!("a capacitor with a limit of {limit}, from {text:?}");
}

#[unsafe(no_mangle)]
unsafe extern "C" fn state() {
    // SAFETY: as above.
    let history = unsafe { static_mut!(DISCHARGE_HISTORY) };
    msg::reply(&*history, 0).expect("a reply");
}
